"""Install the lowest version that each range in pyproject.toml allows, and run the quick tests and four chapters on it.

    make test-lowest

The versions come from the public index; torch is the exception. The public torch for Linux is a CUDA build of several
GB, so its CPU build of the lowest version is taken where pip's own settings on this machine know one; where they do
not, torch stays at the version of constraints.txt, and the table says so. Exit 77 when there is no network. With
AGAIN=yes, as in `make test`, quick tests that failed run once more by themselves.
"""

import os
import re
import subprocess
import sys
import tomllib
import venv
from importlib.metadata import distributions

from check_install import NO_NETWORK, ROOT, SKIPPED, NoNetworkError, clean_environment, get_uv, last_line

FOLDER = ROOT / "build" / "lowest"
PYTHON = FOLDER / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
EXTRAS = ("test", "download")  # `test` holds lab, cpu, gpu and gguf
CHAPTERS = ("01", "02", "12", "13")
BOUND = re.compile(r"^(?P<name>[\w.-]+)>=(?P<version>[\w.]+)")


def bounds() -> dict[str, str]:
    """Lower bound of every requirement that is installed here, by normalised name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    optional = project["optional-dependencies"]
    lines = project["dependencies"] + [
        line for extra in ("lab", "cpu", "gpu", "gguf", *EXTRAS) for line in optional[extra]
    ]
    found = filter(None, map(BOUND.match, lines))
    return {normalised(match["name"]): match["version"] for match in found}


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def run(command: list, **options) -> subprocess.CompletedProcess:
    """Run a command quietly; a missing network raises NoNetworkError, any other failure ends the program."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, **options)
    if done.returncode:
        if NO_NETWORK.search(done.stderr):
            raise NoNetworkError(last_line(done.stderr))
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr.strip()}")
    return done


def install() -> None:
    """Make the environment anew: everything but torch from the public index, then torch and what it still needs."""
    uv, clean = get_uv(), clean_environment(UV_PYTHON_DOWNLOADS="never", UV_CACHE_DIR=str(ROOT / "build" / "uv-cache"))
    venv.create(FOLDER, clear=True, with_pip=True)
    without_torch, lowest = FOLDER / "without-torch.txt", FOLDER / "lowest.txt"
    without_torch.write_text("torch\n")
    extras = [word for extra in EXTRAS for word in ("--extra", extra)]
    resolve = [uv, "pip", "compile", "--no-build", "--no-header", "--no-annotate", "--resolution", "lowest-direct"]
    resolve += [*extras, "--excludes", without_torch, "--python", PYTHON, "pyproject.toml", "-o", lowest]
    run(resolve, cwd=ROOT, env=clean)
    run([uv, "pip", "install", "--no-build", "--no-deps", "--python", PYTHON, "-r", lowest], cwd=ROOT, env=clean)
    pip = [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-c", lowest]
    version = bounds()["torch"] + ".0"
    build = f"torch=={version}" if sys.platform != "linux" else f"torch=={version}+cpu"
    if subprocess.run([*map(str, pip), build], capture_output=True).returncode:
        pinned = re.search(r"^torch==(.+)$", (ROOT / "constraints.txt").read_text(), re.M)
        run([*pip, f"torch=={pinned[1]}"])
    run([uv, "pip", "install", "--no-deps", "--python", PYTHON, "-e", "."], cwd=ROOT, env=clean)


def print_versions() -> None:
    """Print what was installed beside each lower bound, and name every package that is not at its own."""
    site = next((FOLDER / "lib").glob("python*/site-packages"), FOLDER / "Lib" / "site-packages")
    found = {normalised(item.metadata["Name"]): item.version for item in distributions(path=[str(site)])}
    above = {}
    for name, bound in bounds().items():
        version = found.get(name, "missing")
        if version != bound and not re.fullmatch(re.escape(bound) + r"(\.0)*(\+cpu)?", version):
            above[name] = version
        print(f"{name:<20} >= {bound:<12} {version}")
    print()
    for name, version in above.items():
        why = "no CPU build of the lowest one is known to this machine's pip" if name == "torch" else "others need it"
        print(f"NOT TESTED AT ITS LOWEST: {name} >= {bounds()[name]} ran at {version}, because {why}.")


def main() -> int:
    try:
        install()
    except NoNetworkError as error:
        print(f"test-lowest: SKIPPED, nothing was tested: the public package index cannot be reached ({error}).")
        return SKIPPED
    print_versions()
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    test = [str(PYTHON), "-m", "pytest", "-q", "-o", f"cache_dir={FOLDER / 'pytest_cache'}"]
    parallel = ["-n", "2", "--dist=loadfile"]
    notebooks = [str(next((ROOT / "notebooks").glob(f"{number}_*.ipynb"))) for number in CHAPTERS]
    nbval = ["--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout=120"]
    quick = [*test, *parallel, "-m", "not slow and not long and not gpu and not browser and not network"]
    codes = [subprocess.call(quick, cwd=ROOT, env=environment)]
    if codes[0] and os.environ.get("AGAIN"):
        failed = [*test, "--last-failed", "--last-failed-no-failures=none"]
        codes[0] = subprocess.call(failed, cwd=ROOT, env=environment)
    codes.append(subprocess.call([*test, *parallel, *nbval, *notebooks], cwd=ROOT, env=environment))
    print(f"test-lowest: quick tests {'passed' if not codes[0] else 'FAILED'}, "
          f"chapters {', '.join(CHAPTERS)} {'passed' if not codes[1] else 'FAILED'}.")  # fmt: skip
    return 1 if any(codes) else 0


if __name__ == "__main__":
    sys.exit(main())
