"""The glossary has every term once, in order, with a plain sentence; the bridge has its page in the book."""

import re
import shutil
import sys

import nbformat
import pytest

from gptoss_edu.resources import notebooks_path

BOOK = notebooks_path().parent / "book"
if not BOOK.is_dir():
    pytest.skip("the book is part of a checkout, and this is an installed package", allow_module_level=True)
sys.path.append(str(BOOK))
import glossary_links  # noqa: E402
import prepare  # noqa: E402

TEXT = glossary_links.GLOSSARY.read_text(encoding="utf-8").split("```{glossary}\n")[1].rpartition("```")[0]
ENTRIES = [entry.split("\n") for entry in TEXT.strip().split("\n\n")]


def test_terms_stand_once_and_in_order():
    first = [entry[0].lower() for entry in ENTRIES]
    names = [line for entry in ENTRIES for line in entry if not line.startswith(" ")]
    assert first == sorted(first) and len(set(names)) == len(names) >= 120
    assert set(names) >= glossary_links.ORDINARY


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry[0])
def test_a_term_has_a_plain_sentence(entry):
    *_, words = entry
    plain = re.sub(r"\[[^\]]*\]\([^)]*\)[.,;]?", "", words).strip()
    assert words.startswith("  ") and plain.rstrip(",").endswith(".") and 4 <= len(plain.split()) <= 40
    for target in re.findall(r"\(\.\./chapters/([^)]+)\)", words):
        assert (notebooks_path() / target).is_file()


def test_the_bridge_is_a_page_of_the_book(tmp_path):
    (tmp_path / "source").mkdir()
    shutil.copy(notebooks_path() / "bridge_attention.ipynb", tmp_path / "source")
    prepare.copy_chapters(tmp_path / "source", tmp_path / "chapters")
    copied = nbformat.read(tmp_path / "chapters" / "bridge_attention.ipynb", as_version=4)
    assert copied.cells[0].source.startswith("# ")
    assert "chapters/bridge_attention" in (BOOK / "index.md").read_text(encoding="utf-8")
    assert "(../chapters/bridge_attention.ipynb)" in (BOOK / "pages" / "teaching.md").read_text(encoding="utf-8")
