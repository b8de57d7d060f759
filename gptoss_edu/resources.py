"""Find the bundled files: data/ and notebooks/ of the repository, or their copies in the installed wheel."""

import functools
import hashlib
import re
from pathlib import Path

from .errors import GptOssError

PACKAGE = Path(__file__).resolve().parent


def _bundled(folder: str) -> Path:
    in_wheel = PACKAGE / "bundled" / folder
    return in_wheel if in_wheel.is_dir() else PACKAGE.parent / folder


def data_path(*parts: str) -> Path:
    """Return the path of a bundled data file, for example ``data_path("o200k_base.tiktoken")``."""
    return _bundled("data").joinpath(*parts)


def notebooks_path() -> Path:
    """Return the folder of the numbered notebooks."""
    return _bundled("notebooks")


def data_files() -> dict[str, tuple[int, str]]:
    """Return size and sha256 of every bundled data file but the READMEs, by its path below data/."""
    files = sorted(p for p in data_path().rglob("*") if p.is_file() and p.name != "README.md")
    return {
        str(p.relative_to(data_path()).as_posix()): (p.stat().st_size, hashlib.sha256(p.read_bytes()).hexdigest())
        for p in files
    }


def check_bundled(folder: str) -> None:
    """Compare the files of a folder below data/ with the checksums in data/README.md.

    Raises
    ------
    GptOssError : names the file that differs or is missing.
    """
    table = data_path("README.md").read_text(encoding="utf-8")
    for name, expected in re.findall(r"^\| `([^`]+)` \|.*?sha256 `([0-9a-f]{64})`", table, re.MULTILINE):
        path = data_path(*name.split("/"))
        if not name.startswith(folder + "/"):
            continue
        try:
            state = path.stat()
            found = _sha256(path, state.st_mtime_ns, state.st_size)
        except OSError as error:
            found = error.strerror
        if found != expected:
            raise GptOssError(
                f"{path}: expected the bundled file with sha256 {expected}, found {found}; restore it with "
                f"`git checkout -- data/{name}` or reinstall the package."
            )


@functools.lru_cache(maxsize=64)
def _sha256(path: Path, changed: int, size: int) -> str:
    """Return a file's checksum, computed again only when its time or size changes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    for name, (size, checksum) in data_files().items():
        print(f"{checksum}  {size:>12,}  {name}")
