"""Run the server against the official JavaScript client and both agents SDKs, fetched into a temporary folder.

    make test-clients

The server runs over a scripted model (tests/serving.py), so that every answer is known. Exit 77 where the packages
cannot be fetched, or Node.js is missing: then that is said by name.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CLIENTS = ROOT / "tests" / "clients"
NPM, PYTHON = ("openai@^7", "@openai/agents@>=0.1 <1", "zod"), ("openai-agents>=0.6",)
SKIPPED = 77


def skip(why: str) -> None:
    print(f"test-clients: skipped: {why}")
    sys.exit(SKIPPED)


def fetch(command: list[str], what: str, **options) -> None:
    """Install packages; without them the run is skipped."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, **options)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
        skip(f"{what} cannot be fetched: {lines[-1][:200]}")


def answer(prompt: str) -> str:
    """Return what the scripted model says: it depends on the last message, and on whether a result is there."""
    from serving import call, final, preamble, thought

    last = prompt.rsplit("<|start|>user<|message|>", 1)[1]
    if "two<|end|>" in last:
        return thought("I have the sum.") + final("It is two.")
    if last.startswith("use the tool"):
        return preamble("Let me add.") + thought("I call add.") + call("functions.add", '{"a":1}')
    if last.startswith("hand over") and "transfer_to_other" in prompt and "to=assistant" not in last:
        return call("functions.transfer_to_other", "{}")
    if last.startswith("long"):
        return final("word " * 300)
    return thought("Easy.") + final("Hello there.")


def main() -> None:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        skip("Node.js with npm is missing")
    sys.path.insert(0, str(ROOT / "tests"))
    with tempfile.TemporaryDirectory() as folder:
        fetch([npm, "install", "--no-audit", "--no-fund", "--loglevel=error", *NPM], "the npm packages", cwd=folder)
        fetch([sys.executable, "-m", "pip", "install", "-q", "--target", f"{folder}/python", *PYTHON], "the agents SDK")
        for script in CLIENTS.glob("*.mjs"):
            shutil.copy(script, folder)
        from serving import make_world

        with make_world(rows=8) as world:
            world.model.answer = answer
            path = os.pathsep.join([f"{folder}/python", *filter(None, [os.environ.get("PYTHONPATH")])])
            for command, environment in (
                ([node, "openai_client.mjs", world.url], {}),
                ([node, "agents.mjs", world.url], {}),
                ([sys.executable, str(CLIENTS / "agents_sdk.py"), world.url], {"PYTHONPATH": path}),
            ):
                done = subprocess.run(command, cwd=folder, env={**os.environ, **environment}, timeout=600)
                if done.returncode:
                    sys.exit(f"test-clients: {Path(command[1]).name} failed")
    print("test-clients: all passed")


if __name__ == "__main__":
    main()
