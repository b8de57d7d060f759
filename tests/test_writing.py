"""Files are written completely, as UTF-8 on every system; an unwritable place is reported before the work starts."""

import ast
from pathlib import Path

import pytest

import gptoss_edu
from gptoss_edu import options
from gptoss_edu.cli import main
from gptoss_edu.errors import GptOssError

PACKAGE = Path(gptoss_edu.__file__).parent
TEXT_CALLS = ("read_text", "write_text", "open", "fdopen", "NamedTemporaryFile", "TemporaryFile")
ELSEWHERE = ("os", "tarfile", "webbrowser", "Image")  # their open() is a different function


def without_encoding(source: str) -> list[int]:
    """Return the lines that read or write text and leave the encoding to the system."""
    lines = []
    for call in ast.walk(ast.parse(source)):
        if not isinstance(call, ast.Call):
            continue
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", None)
        owner = getattr(getattr(call.func, "value", None), "id", None)
        if name not in TEXT_CALLS or (name == "open" and owner in ELSEWHERE):
            continue
        if name in ("read_text", "write_text") and isinstance(call.func, ast.Name):
            continue  # those of gptoss_edu/options.py
        modes = [a.value for a in (*call.args, *(k.value for k in call.keywords)) if isinstance(a, ast.Constant)]
        binary = any(isinstance(mode, str) and mode in ("rb", "wb", "ab", "r+b", "w+b", "xb") for mode in modes)
        binary |= name.endswith("TemporaryFile") and not any(k.arg == "mode" for k in call.keywords)
        if not binary and not any(k.arg == "encoding" for k in call.keywords):
            lines.append(call.lineno)
    return lines


@pytest.mark.slow
def test_text_is_read_and_written_as_utf_8():
    """Windows uses another encoding if none is named. (Ruff's PLW1514 recognises a path only as Path(…).)"""
    assert without_encoding("p.read_text()\nopen(p)\n(a / b).write_text(s)\nopen(p, 'w')\nos.fdopen(h, 'w')") == [
        1, 2, 3, 4, 5,
    ]  # fmt: skip
    assert not without_encoding(
        "p.read_text(encoding='utf-8')\nopen(p, 'rb')\nwrite_text(p, s)\nread_text(p, '--a')\nos.open(p, 0)"
    )
    found = {
        f"{path.relative_to(PACKAGE)}:{line}"
        for path in PACKAGE.rglob("*.py")
        if "bundled" not in path.parts
        for line in without_encoding(path.read_text(encoding="utf-8"))
    }
    assert not found


@pytest.mark.parametrize(
    "call",
    [
        ("bench", "cpu", "--folder", "nowhere", "--json"),
        ("bench", "tiny", "--json"),
        ("bench", "harmony", "--json"),
        ("eval", "tiny", "--json"),
        ("chat", "--file"),
    ],
)
def test_an_unwritable_result_is_told_before_the_work(call, tmp_path, capsys):
    (tmp_path / "a file").write_text("in the way", encoding="utf-8")
    for path in (tmp_path / "a file" / "results.json", tmp_path):
        assert main([*call, str(path)]) == 2
        error = capsys.readouterr().err
        assert f"{call[-1]} {path}: expected a file that can be written" in error and error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a file"]


@pytest.mark.parametrize(
    "call",
    [
        ("trace", "What is 1 + 1?", "--out", "nope/run.html"),
        ("chat", "--file", "nope/talk.json"),
        ("eval", "tiny", "--json", "nope/results.json"),
        ("tour", "--no-open", "--out", "nope/tour"),
        ("train", "tokenizer", "--out", "nope/learnt"),
        ("train", "smoke", "--out", "nope/run"),
        ("workshop", "nope/mine"),
    ],
)
def test_a_mistyped_path_makes_no_folders(call, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main([*call]) == 2
    said = capsys.readouterr()
    assert f"{call[-1]}: expected the folder {tmp_path / 'nope'} to be there" in said.err
    assert said.err.count("\n") == 1 and said.out == "" and not list(tmp_path.iterdir())


def test_the_default_place_of_a_run_is_made_with_its_folder(tmp_path, monkeypatch):
    """In a new folder, `finetune talk.jsonl` must not take its own default, runs/finetune, for a typo."""
    monkeypatch.chdir(tmp_path)
    options.check_folder(Path("runs/finetune"), "--out")
    for path in ("runs/a/b", "nope/run"):
        with pytest.raises(GptOssError, match="expected the folder"):
            options.check_folder(Path(path), "--out")
    (tmp_path / "runs").write_text("in the way", encoding="utf-8")
    with pytest.raises(GptOssError, match="found a file"):
        options.check_folder(Path("runs/finetune"), "--out")


def test_a_page_that_cannot_be_written_is_told_before_the_question(tmp_path, capsys):
    (tmp_path / "a file").write_text("in the way", encoding="utf-8")
    assert main(["trace", "What is 1 + 1?", "--out", str(tmp_path / "a file" / "run.html")]) == 2
    said = capsys.readouterr()
    assert "--out" in said.err and said.out == ""


def test_writing_makes_its_folder_and_leaves_nothing_half_done(tmp_path, monkeypatch):
    target = tmp_path / "new" / "deep" / "a.json"
    options.check_writable(target, "--json", makes_folder=True)
    assert not list(tmp_path.iterdir())
    options.write_text(target, "ö\n")
    assert target.read_bytes().replace(b"\r\n", b"\n") == "ö\n".encode()

    def refuse(*paths):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(options.os, "replace", refuse)
    with pytest.raises(OSError, match="No space"):
        options.write_text(target, "other")
    assert [path.name for path in target.parent.iterdir()] == ["a.json"] and "ö" in target.read_text(encoding="utf-8")


def test_a_link_stays_one_and_its_file_is_written(tmp_path):
    target, link = tmp_path / "there" / "result.json", tmp_path / "link.json"
    target.parent.mkdir()
    try:
        link.symlink_to(target)
    except OSError:
        pytest.skip("this account may not make symbolic links (Windows)")
    for text in ("{}", "[]"):  # once where the target does not exist yet
        options.write_text(link, text)
        assert link.is_symlink() and target.read_text(encoding="utf-8") == text
    assert not list(tmp_path.rglob("*.partial"))
