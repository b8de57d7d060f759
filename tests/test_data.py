"""The bundled data is small, and each file has its origin, licence and checksum."""

import re
import subprocess

import pytest

from gptoss_edu.resources import PACKAGE, data_files, data_path


def test_every_file_stands_in_the_table_with_its_checksum():
    table = data_path("README.md").read_text()
    rows = dict(re.findall(r"^\| `([^`]+)` \|.*?sha256 `([0-9a-f]{64})`", table, re.MULTILINE))
    tracked = subprocess.run(
        ["git", "ls-files", "data"], cwd=PACKAGE.parent, capture_output=True, text=True
    ).stdout.split()
    if not tracked:
        pytest.skip("not a git checkout: which files belong to data/ is not known")
    names = {name.removeprefix("data/") for name in tracked if not name.endswith("README.md")}
    found = {name: checksum for name, (_, checksum) in data_files().items() if name in names}
    assert rows == found


def test_the_whole_is_small():
    assert sum(size for size, _ in data_files().values()) < 25_000_000
