"""Fetch the front-end files that the book needs, with pinned versions and checksums, into book/_static/vendor.

    python book/deps.py        needs npm and a network, once; `make book` then needs neither

MathJax and the widgets' manager are Apache-2.0 and BSD-3-Clause, require.js is MIT; none of them is kept in git.
axe-core (MPL-2.0) is for the tests alone and goes into build/axe.
"""

import hashlib
import importlib.util
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

VENDOR = Path(__file__).parent / "_static" / "vendor"
PACKAGES = {  # npm package -> file, sha256, {path inside: path under vendor/}
    "mathjax@3.2.2": (
        "mathjax-3.2.2.tgz",
        "1b9c0a1c44df864e915690558e72adb9cc5203360daefd385084ced3b6c64c09",
        {"package/es5/tex-svg-full.js": "tex-svg-full.js"},
    ),
    "requirejs@2.3.8": (
        "requirejs-2.3.8.tgz",
        "777158e89275e16bd51aec3ef714fbcb5dc45789e7078659933bc814916d7dec",
        {"package/require.js": "widgets/require.js"},
    ),
    "@jupyter-widgets/html-manager@1.0.15": (
        "jupyter-widgets-html-manager-1.0.15.tgz",
        "2b9d65cb7913e1c7d671757a10008b32c9c2448d4429513371e55c07d6107638",
        {"package/dist/embed-amd.js": "widgets/embed-amd.js", "package/dist/*.woff2": "widgets/"},
    ),
    "axe-core@4.14.1": (
        "axe-core-4.14.1.tgz",
        "e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745",
        {"package/axe.min.js": "../../../build/axe/package/axe.min.js"},
    ),
}


def main() -> int:
    if shutil.which("npm") is None:
        print("book/deps.py: npm is needed to fetch the book's front-end files; install Node.js.", file=sys.stderr)
        return 2
    for package, (archive, checksum, files) in PACKAGES.items():
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["npm", "pack", "--silent", package], cwd=folder, check=True, stdout=subprocess.DEVNULL)
            found = hashlib.sha256((Path(folder) / archive).read_bytes()).hexdigest()
            if found != checksum:
                print(f"book/deps.py: {package}: expected sha256 {checksum}, found {found}; not used.", file=sys.stderr)
                return 2
            unpack(Path(folder) / archive, files)
        print(f"{package}: checksum right")
    anywidget = Path(importlib.util.find_spec("anywidget").origin).parent / "nbextension" / "index.js"
    shutil.copyfile(anywidget, VENDOR / "widgets" / "anywidget.js")
    return 0


def unpack(archive: Path, files: dict[str, str]) -> None:
    """Copy the named members; a pattern's matches go into a folder."""
    with tarfile.open(archive) as tar:
        for member in tar.getmembers():
            for pattern, target in files.items():
                if Path(member.name).match(pattern):
                    path = VENDOR / target / Path(member.name).name if target.endswith("/") else VENDOR / target
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(tar.extractfile(member).read())


if __name__ == "__main__":
    sys.exit(main())
