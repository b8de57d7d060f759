"""Check the layout of the package: imports run downwards, no two rooms import each other, one name per thing."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import gptoss_edu

PACKAGE = Path(gptoss_edu.__file__).parent
FLOORS = [  # from the ground up; a room may import files of its own floor and of those below
    {"config", "errors", "hugging_face", "options", "resources"},
    {
        "bpe",
        "tokenizer",
        "mxfp4",
        "norm",
        "rope",
        "attention",
        "moe",
        "cache",
        "hooks",
        "transformer",
        "generation",
        "ladder",
    },
    {"fast", "harmony"},
    {"checkpoint"},  # load_model hands out the fast paths, so it stands above them
    {"engines", "tools"},
    {"agent", "trace"},
    {"serve", "tasks"},
    {"training"},
    {"evals"},  # it compares what training rounds and saves
    {"viz", "web", "checks"},
    {"course"},
    {"commands", "benchmarks", "cli", "__main__"},
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
FACE = "the package's own face: gptoss_edu/__init__.py resolves its names on first use"


def room_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else FACE


def imports(path: Path) -> set[str]:
    """Return every module of the package that a file imports, also inside functions, except for type checking only."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            node.body = [ast.Pass()]
    here = ["gptoss_edu", *path.relative_to(PACKAGE).with_suffix("").parts]
    package = here[:-1]
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            names = {f"{module}.{alias.name}" for alias in node.names}
            found |= {name for name in names if (PACKAGE.parent / Path(*name.split("."))).with_suffix(".py").exists()}
            found |= {name for name in names if (PACKAGE.parent / Path(*name.split(".")) / "__init__.py").exists()}
            found.add(module)
    return {name for name in found if name.startswith("gptoss_edu.")}


FILES = sorted(path for path in PACKAGE.rglob("*.py") if "bundled" not in path.parts)


def test_every_room_has_its_floor():
    rooms = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in FILES} - {"__init__"}
    assert rooms <= set(FLOOR), rooms - set(FLOOR)


@pytest.mark.slow
def test_no_import_runs_upwards():
    upwards = []
    for path in FILES:
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if room == "__init__":
            continue
        for module in imports(path):
            other = room_of(module)
            if other != room and FLOOR[other] > FLOOR[room]:
                upwards.append(f"{path.relative_to(PACKAGE)} imports {module}")
    assert not upwards


@pytest.mark.slow
def test_no_two_rooms_import_each_other():
    arrows = set()
    for path in FILES:
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        arrows |= {(room, room_of(module)) for module in imports(path) if room_of(module) != room}
    assert not {(a, b) for a, b in arrows if (b, a) in arrows}


def test_a_sketch_of_an_upward_arrow_is_found(tmp_path, monkeypatch):
    """Show that the rule above can fail: the model must not import the agent."""
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", tmp_path)
    (tmp_path / "norm.py").write_text("def f():\n    from gptoss_edu.agent import chat\n", encoding="utf-8")
    assert FLOOR[room_of(*[m for m in imports(tmp_path / "norm.py") if "agent" in m][:1])] > FLOOR["norm"]


@pytest.mark.parametrize(
    "command", ["--help", "chat --help", "generate --help", "workshop --help", "progress --help", "convert --help"]
)
def test_help_needs_no_pytorch(command):
    """`import torch` alone takes seconds, so commands that only print text must not import it."""
    code = (
        "import sys\nfrom gptoss_edu.cli import main\n"
        f"try:\n    main({command.split()!r})\nexcept SystemExit:\n    pass\n"
        "sys.exit(' '.join({'torch', 'matplotlib', 'numpy'} & set(sys.modules)) or 0)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
