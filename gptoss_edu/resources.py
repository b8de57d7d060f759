"""Where the bundled files lie: data/ and notebooks/ of the repository, or the copies inside the installed wheel."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def _bundled(folder: str) -> Path:
    in_wheel = PACKAGE / "bundled" / folder
    return in_wheel if in_wheel.is_dir() else PACKAGE.parent / folder


def data_path(*parts: str) -> Path:
    """Path of a bundled data file, for example ``data_path("o200k_base.tiktoken")``."""
    return _bundled("data").joinpath(*parts)


def notebooks_path() -> Path:
    """Folder of the numbered notebooks."""
    return _bundled("notebooks")
