"""Read the wordings of the tasks: TOML files in `wordings/`, so that text to edit does not stand in code.

A pattern such as "[What is|Compute] {a} times {b}?" stands for several wordings; `example.Phrasings` expands it.
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "wordings"


@cache
def wordings(name: str) -> dict:
    """Return the tables of one file of wordings.

    Parameters
    ----------
    name : path below `wordings/` without its ending, such as "chains" or "languages/fr".

    Raises
    ------
    FileNotFoundError : there is no such file.
    """
    return tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
