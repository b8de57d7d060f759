"""Build llama.cpp through its Python package, and compare it with this package on the same files.

    make test-engines

It is installed into build/engines beside the environment, once; building takes 5 to 20 minutes and needs a C++
compiler. Exit 77 where it cannot be fetched or built: then that is said by name, and the table shows what is here.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "engines"
LIBRARY = FOLDER / "lib"
PACKAGES = ("llama-cpp-python==0.3.36", "diskcache>=5.6.1")  # what else it needs, the environment has
SETTINGS = (
    "-DLLAVA_BUILD=OFF -DLLAMA_BUILD_TOOLS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_TESTS=OFF "
    "-DLLAMA_BUILD_SERVER=OFF -DGGML_OPENMP=OFF"
)
SKIPPED = 77


def skip(why: str) -> None:
    """Say why, print the table of what is here all the same, and end with the status of a skipped target."""
    print(f"test-engines: skipped: {why}", flush=True)
    run("gptoss_edu", "engines")
    sys.exit(SKIPPED)


def run(*command: str) -> int:
    """Run a module of this environment with the built packages beside it; return its exit status."""
    path = os.pathsep.join([*filter(None, [os.environ.get("PYTHONPATH")]), str(LIBRARY)])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, "-m", *command], cwd=ROOT, env=environment).returncode


def build() -> None:
    """Install the packages, unless this version stands there already."""
    stamp, wanted = FOLDER / "installed.txt", f"{' '.join(PACKAGES)} {SETTINGS} {sys.implementation.cache_tag}"
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    if not any(map(shutil.which, ("c++", "g++", "clang++", "cl"))):
        skip("llama.cpp needs a C++ compiler; on Debian and Ubuntu: apt install g++ cmake")
    shutil.rmtree(FOLDER, ignore_errors=True)
    LIBRARY.mkdir(parents=True)
    print("test-engines: building llama.cpp into build/engines, once; this takes 5 to 20 minutes", flush=True)
    environment = {"CMAKE_BUILD_PARALLEL_LEVEL": str(os.cpu_count() or 1), **os.environ, "CMAKE_ARGS": SETTINGS}
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(LIBRARY), *PACKAGES]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        (FOLDER / "failed.log").write_text(done.stdout + done.stderr)
        lines = [line for line in done.stderr.splitlines() if line.strip()] or ["no reason given"]
        skip(f"llama.cpp cannot be fetched or built: {lines[-1].strip()[:200]} (build/engines/failed.log)")
    stamp.write_text(wanted)  # last: a build that was cut off is done again


def main() -> None:
    build()
    failed = [
        command[0]
        for command in (("pytest", "-q", "-s", "-p", "no:cacheprovider", "tests/engines"), ("gptoss_edu", "engines"))
        if run(*command)
    ]
    if failed:
        sys.exit(f"test-engines: {' and '.join(failed)} failed")
    print("test-engines: all passed")


if __name__ == "__main__":
    main()
