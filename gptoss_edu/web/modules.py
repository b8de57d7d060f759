"""Join ES modules into one, which a page holds as a script of its own and anywidget loads from a string.

The modules of this folder keep to a small part of JavaScript's syntax, so that joining them needs no parser:

- imports stand at the start of a line, name what they take, and name a file: `import { a, b } from "./file.js";`
- what is exported stands at the start of a line: `export function a`, `export class B`, `export const C`;
- each statement at the start of a line declares one name, and no two modules declare the same one.

In the joined module every name stays as it was written: all files share one scope, each after those that it imports.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

from gptoss_edu.errors import GptOssError

FOLDER = Path(__file__).resolve().parent
IMPORT = re.compile(r'^import \{([^}]*)\} from "(\.{1,2}/[\w./]+\.js)";\n', re.MULTILINE)
DECLARED = re.compile(
    r"^(?P<export>export )?(?:async )?(?:function\*?|class|const|let) (?P<name>[\w$]+|[\[{].*)", re.MULTILINE
)
ANY_IMPORT = re.compile(r"^(?:import\b|export [*{]).*", re.MULTILINE)


@functools.cache
def bundle(*entries: str) -> str:
    """Return one ES module out of the entries and all that they import.

    Parameters
    ----------
    entries : files below this folder, such as "explorer/app.js". What they export, the joined module exports; the
        exports of other files become plain declarations.

    Returns
    -------
    str, without imports. Lines that hold only a comment, and indentation, are left out: the files are what to read.

    Raises
    ------
    GptOssError : an import or a declaration that does not keep to the rules above, a name that its module does not
        export or that two modules declare, or modules that import each other in a circle.
    """
    exported = {FOLDER / entry for entry in entries}
    owner: dict[str, Path] = {}
    parts = []
    for path in in_order(exported):
        source = path.read_text(encoding="utf-8")
        for name in declared(source, path):
            if name in owner:
                raise GptOssError(
                    f"{_shown(path)}: expected names that no other module declares, found {name}, which "
                    f"{_shown(owner[name])} declares too; rename one of the two."
                )
            owner[name] = path
        source = IMPORT.sub("", source)
        if path not in exported:
            source = re.sub(r"^export ", "", source, flags=re.MULTILINE)
        lines = (line.strip() for line in source.splitlines())
        parts += [line for line in lines if line and not line.startswith("//")]
    return "\n".join(parts) + "\n"


def in_order(entries) -> list[Path]:
    """Return the entries and what they import, each file once and after its own imports."""
    done: list[Path] = []

    def visit(path: Path, importers: tuple[Path, ...]) -> None:
        if path in importers:
            circle = " → ".join(map(_shown, (*importers[importers.index(path) :], path)))
            raise GptOssError(f"modules: expected imports without a circle, found {circle}; move what both need.")
        if path in done:
            return
        for other, names in imports(path):
            visit(other, (*importers, path))
            missing = names - declared(other.read_text(encoding="utf-8"), other, exported_only=True)
            if missing:
                raise GptOssError(
                    f"{_shown(path)}: imports {', '.join(sorted(missing))} from {_shown(other)}, which does not export "
                    "it; write export before its declaration."
                )
        done.append(path)

    for entry in sorted(entries):
        visit(entry, ())
    return done


def imports(path: Path) -> list[tuple[Path, set[str]]]:
    """Return (file, names) of each import of a module, in order."""
    try:
        source = path.read_text(encoding="utf-8")
    except OSError as error:
        raise GptOssError(
            f"{_shown(path)}: expected a module, found none ({error.strerror}); fix the import."
        ) from None
    odd = ANY_IMPORT.search(IMPORT.sub("", source))
    if odd:
        raise GptOssError(
            f'{_shown(path)}: expected imports of the form import {{ a, b }} from "./file.js";, found {odd.group()!r}; '
            "write it like that."
        )
    found = []
    for names, target in IMPORT.findall(source):
        listed = {name.strip() for name in names.split(",") if name.strip()}
        renamed = [name for name in listed if not name.isidentifier()]
        if renamed:
            raise GptOssError(
                f"{_shown(path)}: expected plain names in imports, found {renamed[0]!r}; rename it there."
            )
        found.append(((path.parent / target).resolve(), listed))
    return found


def declared(source: str, path: Path, exported_only: bool = False) -> set[str]:
    """Return names that a module declares at the start of a line."""
    found = set()
    for match in DECLARED.finditer(source):
        if not re.fullmatch(r"[\w$]+", match["name"]):
            raise GptOssError(
                f"{_shown(path)}: expected one name in each declaration at the start of a line, found "
                f"{match.group()!r}; declare them one by one."
            )
        if match["export"] or not exported_only:
            found.add(match["name"])
    return found


def _shown(path: Path) -> str:
    return str(path.relative_to(FOLDER)) if path.is_relative_to(FOLDER) else str(path)
