"""Fetch what the book's build needs and Python lacks, with pinned versions and checksums, into book/vendor.

    python book/deps.py        needs npm and a network, once; `make book` then needs Node.js alone

MathJax (Apache-2.0) sets the formulas when the book is built; no page loads it, and it is not kept in git. reveal.js
and RequireJS (MIT) show the slides, where MathJax runs in the page. axe-core
(MPL-2.0) is for the tests alone and goes into build/axe.
"""

import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

VENDOR = Path(__file__).parent / "vendor"
MATHJAX = ("node-main.js", "core.js", "startup.js", "loader.js", "adaptors/liteDOM.js", "input/tex-full.js")
MATHJAX += ("output/svg.js", "output/svg/fonts/tex.js")
REVEAL = ("dist/reveal.js", "dist/reveal.css", "dist/theme/white.css", "plugin/notes/notes.js")
PACKAGES = {  # npm package -> file, sha256, {path inside: path under vendor/}
    "mathjax@3.2.2": (
        "mathjax-3.2.2.tgz",
        "1b9c0a1c44df864e915690558e72adb9cc5203360daefd385084ced3b6c64c09",
        {f"package/es5/{name}": f"mathjax/{name}" for name in MATHJAX}
        | {"package/es5/tex-svg-full.js": "slides/tex-svg-full.js"},
    ),
    "reveal.js@4.6.1": (
        "reveal.js-4.6.1.tgz",
        "4f4121ef2b8e7e9398bdecd7b3b6ce5e0ee3a2f5af221708eb6c4ce03bcae6be",
        {f"package/{name}": f"slides/reveal.js/{name}" for name in REVEAL},
    ),
    "requirejs@2.3.8": (
        "requirejs-2.3.8.tgz",
        "777158e89275e16bd51aec3ef714fbcb5dc45789e7078659933bc814916d7dec",
        {"package/require.js": "slides/require.js"},
    ),
    "axe-core@4.14.1": (
        "axe-core-4.14.1.tgz",
        "e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745",
        {"package/axe.min.js": "../../build/axe/package/axe.min.js"},
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
