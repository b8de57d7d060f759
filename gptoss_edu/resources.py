"""Where the bundled files lie: data/ and notebooks/ of the repository, or the copies inside the installed wheel."""

import hashlib
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


def data_files() -> dict[str, tuple[int, str]]:
    """Size and sha256 of every bundled data file but the READMEs, by its path below data/."""
    files = sorted(p for p in data_path().rglob("*") if p.is_file() and p.name != "README.md")
    return {
        str(p.relative_to(data_path()).as_posix()): (p.stat().st_size, hashlib.sha256(p.read_bytes()).hexdigest())
        for p in files
    }


if __name__ == "__main__":
    for name, (size, checksum) in data_files().items():
        print(f"{checksum}  {size:>12,}  {name}")
