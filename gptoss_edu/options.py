"""What a path given to a command must be before the work begins: a mistyped one makes no folders."""

from pathlib import Path

from .errors import GptOssError


def check_parent(path: Path, what: str) -> None:
    """The folder that `path` lies in must be there.

    Errors: `GptOssError` that names `what`, the option.
    """
    parent = Path(path).absolute().parent
    if not parent.is_dir():
        found = "a file" if parent.exists() else "no such folder"
        raise GptOssError(f"{what} {path}: expected the folder {parent} to be there, found {found}; check the path.")


def check_folder(path: Path, what: str) -> None:
    """`path` is a folder, or one that can be made in a folder that is there.

    Errors: `GptOssError` that names `what`, the option.
    """
    path = Path(path)
    if path.exists() and not path.is_dir():
        raise GptOssError(f"{what} {path}: is a file, not a folder; name another.")
    if not path.exists():
        check_parent(path, what)
