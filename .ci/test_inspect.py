"""inspect-ai runs what `gptoss-edu eval export --inspect` writes, and must count what this package counts.

    make test-inspect

Three tasks, replies right and wrong: accuracy and failures have to be equal, question by question. inspect-ai is
installed into build/inspect (the extra `inspect`); `--python FILE` takes an environment that has it. Exit 77 where it
cannot be fetched: then that is said.
"""

import argparse
import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SKIPPED = 77


def environment() -> Path:
    """Return the Python of an environment with inspect-ai and this package; without a network the run is skipped."""
    folder = ROOT / "build" / "inspect"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists():
        venv.create(folder, with_pip=True)
    command = [python, "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt", "-e", f"{ROOT}[test,inspect]"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no reason given"]
        print(f"test-inspect: skipped: inspect-ai cannot be fetched: {lines[-1][:200]}")
        sys.exit(SKIPPED)
    return python


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", type=Path, help="of an environment with inspect-ai, instead of build/inspect")
    python = parser.parse_args().python or environment()
    tests = [str(ROOT / "tests" / "test_evals_inspect.py"), "-m", "slow or not slow", "-p", "no:nbval"]
    done = subprocess.run([str(python), "-m", "pytest", "-q", "-rs", *tests], cwd=ROOT, capture_output=True, text=True)
    print(done.stdout[-1500:])
    if done.returncode or "skipped" in done.stdout:  # a skip would say that inspect-ai is missing
        sys.exit(f"test-inspect: expected that every test passes and none is skipped\n{done.stderr[-1500:]}")
    print("test-inspect: the same numbers on three tasks")


if __name__ == "__main__":
    main()
