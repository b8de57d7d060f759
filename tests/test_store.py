"""Test my_gptoss.py: stored functions run by themselves, and what a learner added beside them stays."""

import sys

import pytest

from gptoss_edu import checks
from gptoss_edu.checks import store

BODY = "    h = x.float()\n    return (h * torch.rsqrt(MS + eps) * scale.float()).to(x.dtype)\n"
SQUARE = "h.square().mean(-1, keepdim=True)"
PLAIN = "import torch\ndef rms_norm(x, scale, eps):\n" + BODY.replace("MS", SQUARE)
WAYS = {
    "plain": PLAIN,
    "no_grad": PLAIN.replace("def rms", "@torch.no_grad()\ndef rms"),
    "no_grad and a helper": "import torch\ndef ms(h): return h.square().mean(-1, keepdim=True)\n"
    "@torch.no_grad()\ndef rms_norm(x, scale, eps):\n" + BODY.replace("MS", "ms(h)"),
    "a second name": "import torch\ndef mean_square(h): return h.square().mean(-1, keepdim=True)\nms = mean_square\n"
    "def rms_norm(x, scale, eps):\n" + BODY.replace("MS", "ms(h)"),
    "a class": "import torch\nclass P:\n    def ms(self, h): return torch.mean(h * h, -1, keepdim=True)\n"
    "def rms_norm(x, scale, eps):\n" + BODY.replace("MS", "P().ms(h)"),
    "a class and its base": "import torch\nclass B:\n    def ms(self, h): return torch.mean(h * h, -1, keepdim=True)\n"
    "class P(B): pass\ndef rms_norm(x, scale, eps):\n" + BODY.replace("MS", "P().ms(h)"),
    "a dataclass": "import torch\nfrom dataclasses import dataclass\n@dataclass\nclass D:\n    dim: int = -1\n"
    "def rms_norm(x, scale, eps):\n" + BODY.replace("MS", "h.square().mean(D().dim, keepdim=True)"),
    "a closure": "import torch\ndef make():\n    one = 1.0\n    def rms_norm(x, scale, eps):\n"
    + "".join(f"    {line}\n" for line in BODY.replace("MS", SQUARE).replace("(h *", "(one * h *").splitlines())
    + "    return rms_norm\nrms_norm = make()",
    "an own decorator": "import torch, functools\ndef logged(f):\n    @functools.wraps(f)\n"
    "    def inner(*a): return f(*a)\n    return inner\n@logged\ndef rms_norm(x, scale, eps):\n"
    + BODY.replace("MS", SQUARE),
    "a cached helper": "import torch, functools\n@functools.cache\ndef minus(): return -1\n"
    "def rms_norm(x, scale, eps):\n" + BODY.replace("MS", "h.square().mean(minus(), keepdim=True)"),
    "two that call each other": "import torch\ndef even(n): return n == 0 or odd(n - 1)\n"
    "def odd(n): return n > 0 and even(n - 1)\n"
    "def rms_norm(x, scale, eps):\n    assert even(4)\n" + BODY.replace("MS", SQUARE),
    "a tensor with infinity": "import torch\nZERO = torch.tensor([0.0, float('inf')])\n"
    "def rms_norm(x, scale, eps):\n" + BODY.replace("MS", SQUARE + " + ZERO[0]"),
}  # fmt: skip


@pytest.fixture
def cell(tmp_path, monkeypatch):
    """Run a cell as its own module, in a workshop folder; return its rms_norm."""
    monkeypatch.delenv(store.FOLDER_VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / store.FILE_NAME).write_text("")

    def run(source: str):
        name = f"cell_{abs(hash(source))}"
        (tmp_path / f"{name}.py").write_text(source)
        monkeypatch.delitem(sys.modules, name, raising=False)
        return __import__(name).rms_norm

    return run


@pytest.mark.parametrize("way", WAYS)
def test_what_is_stored_runs_by_itself(way, cell, tmp_path):
    result = checks.rms_norm(cell(WAYS[way]))
    assert result.passed and result.stored == store.FILE_NAME, result.remark
    assert checks.rms_norm(store.load_functions(tmp_path)["rms_norm"], keep=False).passed


LAMBDA = (
    "import torch\nfrom torch.nn.functional import rms_norm as theirs\n"
    "rms_norm = lambda x, s, e: theirs(x.float(), (x.shape[-1],), s.float(), e).to(x.dtype)"
)


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (LAMBDA, "lambda"),
        (PLAIN.replace("torch\n", "torch\nodd = object()\n", 1).replace("h = x", "assert odd; h = x"), "odd, a object"),
        (PLAIN + "\nimport functools\nrms_norm = functools.cache(rms_norm)", ""),
    ],
)  # fmt: skip
def test_what_cannot_be_stored_says_why_and_passes_all_the_same(source, why, cell, tmp_path):
    result = checks.rms_norm(cell(source))
    assert result.passed
    if why:
        assert result.stored is None and why in result.remark and "not stored in my_gptoss.py" in repr(result)


def test_a_function_that_passes_only_in_its_notebook_is_not_stored(cell, tmp_path):
    hidden = "\nplain = rms_norm\ndef rms_norm(x, scale, eps):\n    return globals()['pl' + 'ain'](x, scale, eps)\n"
    source = PLAIN + hidden
    result = checks.rms_norm(cell(source))
    assert result.passed and result.stored is None and "run alone" in result.remark
    assert store.read_sections(tmp_path) == {}


SWIGLU = "# --- swiglu ---\ndef swiglu(x): return x  # MINE\n# --- end of swiglu ---"


@pytest.mark.parametrize(
    "text",
    [
        "# MINE: ask Ana\ndef helper(): pass\n",
        SWIGLU,
        SWIGLU + " \n",
        SWIGLU.rsplit("\n", 1)[0] + "\n",
        "print('MINE')\n",
        SWIGLU.replace("swiglu", "rms_norm").rsplit("\n", 1)[0] + "\n",
        store.HEADER + "\n# MINE\n\n" + SWIGLU + "\n\n# MINE too\n",
    ],
)
def test_text_beside_the_sections_stays(text, cell, tmp_path):
    (tmp_path / store.FILE_NAME).write_text(text)
    for _ in range(2):  # the second time, its own section is replaced
        assert checks.rms_norm(cell(PLAIN)).stored
        after = (tmp_path / store.FILE_NAME).read_text()
        assert after.count("MINE") == text.count("MINE")
    assert after.count("# --- rms_norm ---") == 1
    assert checks.rms_norm(store.load_functions(tmp_path)["rms_norm"], keep=False).passed


def test_a_damaged_section_is_named(tmp_path):
    store.write_section(tmp_path, "swiglu", "def swiglu(:\n")
    with pytest.raises(ValueError, match="section swiglu"):
        store.load_functions(tmp_path)


def test_a_deleted_folder_keeps_nothing(cell, tmp_path, monkeypatch):
    function = cell(PLAIN)

    def gone():
        raise FileNotFoundError("the folder is gone")

    monkeypatch.setattr(store.Path, "cwd", gone)
    result = checks.rms_norm(function)
    assert result.passed and result.stored is None
