"""Run the JavaScript of gptoss_edu/web in Node.js, for the tests that need no browser."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

WEB = Path(__file__).parent.parent / "gptoss_edu" / "web"
OLDEST = 20


def _missing() -> str | None:
    """Say why Node.js cannot be used; None if it can."""
    if shutil.which("node") is None:
        return f"Node.js is missing: install version {OLDEST} or newer"
    version = subprocess.run(["node", "--version"], capture_output=True, text=True).stdout.strip()
    return None if int(version.lstrip("v").split(".")[0]) >= OLDEST else f"Node.js {version} is older than {OLDEST}"


needs_node = pytest.mark.skipif(_missing() is not None, reason=str(_missing()))


def run_node(script: str, folder: Path | None = None, seconds: int = 600, **values):
    """Run a module script and return its value: it may import from WEB, await, and `return` any JSON value.

    script : statements. `web(path)` imports a module of gptoss_edu/web; `read(name)` returns a file's bytes.
    values : JSON values that the script sees under these names.
    """
    names = "".join(f"const {name} = values[{json.dumps(name)}];\n" for name in values)
    body = (
        'import { readFileSync, writeFileSync } from "node:fs";\n'
        'import { pathToFileURL } from "node:url";\n'
        "const { web: root, folder, values } = JSON.parse(readFileSync(0, 'utf8'));\n"
        "const web = (path) => import(pathToFileURL(root + '/' + path));\n"
        "const read = (name) => new Uint8Array(readFileSync(folder + '/' + name));\n"
        "const write = (name, data) => writeFileSync(folder + '/' + name, data);\n"
        f"{names}const result = await (async () => {{\n{script}\n}})();\n"
        "process.stdout.write(JSON.stringify(result ?? null));\n"
    )
    done = subprocess.run(
        ["node", "--input-type=module", "--eval", body],
        input=json.dumps({"web": WEB.as_posix(), "folder": None if folder is None else str(folder), "values": values}),
        capture_output=True, encoding="utf-8", timeout=seconds, env={**os.environ, "NODE_OPTIONS": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout)
