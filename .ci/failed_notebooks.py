"""Print the notebooks in which a cell failed in the last run that kept its cache in build/nbval, one line for all.

    python .ci/failed_notebooks.py

Exit 1 when there are none: then the run ended for another reason, and there is nothing to run again.
"""

import json
import sys
from pathlib import Path

CACHE = Path(__file__).parent.parent / "build" / "nbval" / "v" / "cache" / "lastfailed"


def main() -> int:
    failed = json.loads(CACHE.read_text(encoding="utf-8")) if CACHE.is_file() else {}
    notebooks = sorted({name.split("::")[0] for name in failed})
    print(*notebooks)
    return 0 if notebooks else 1


if __name__ == "__main__":
    sys.exit(main())
