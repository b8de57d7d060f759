"""Tau-bench-like dialogues: a policy, tools over a database, a user who wants something."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

from gptoss_edu.errors import GptOssError
from gptoss_edu.options import run_file
from gptoss_edu.tasks.example import developer, message

from ..benchmark import Question
from ..run_benchmark import Tools, User

OPENING = "Hello, I need your help."


def read_tau(path: Path | None) -> list[Question]:
    """Read a folder with "tasks.json", "db.json", "policy.md" and "tools.json", as in tau2-bench for each domain.

    The functions behind the tools are not data; `tools.py` in the same folder must define ``call(database, name,
    arguments) -> (result, database)``. The wanted result is a list of calls, which are replayed.
    """
    if path is None or not path.is_dir():
        raise GptOssError(
            f"--data {path}: expected a folder with tasks.json, db.json, policy.md, tools.json and tools.py."
        )
    parts = {name: path / name for name in ("tasks.json", "db.json", "policy.md", "tools.json")}
    missing = [name for name, file in parts.items() if not file.is_file()]
    if missing:
        raise GptOssError(f"--data {path}: expected {', '.join(parts)}, found no {', '.join(missing)}.")
    texts = {name: file.read_text(encoding="utf-8") for name, file in parts.items()}
    rows = json.loads(texts["tasks.json"])
    tools = json.loads(texts["tools.json"])
    return tau_questions(rows, json.loads(texts["db.json"]), texts["policy.md"], tools, load_tools(path))


def tau_questions(rows: list[dict], database: dict, policy: str, functions: list[dict], tools: Tools) -> list[Question]:
    """Return one question per task; the wanted database results from its reference actions."""
    found = []
    schemas = [tool.get("function", tool) for tool in functions]
    for row in rows:
        criteria = row.get("evaluation_criteria") or {}
        after = database
        for action in criteria.get("actions") or row.get("actions") or ():
            after = tools(after, action["name"], action.get("arguments", action.get("kwargs", {})))[1]
        scenario = (row.get("user_scenario") or {}).get("instructions") or row.get("instruction") or ""
        told = scenario if isinstance(scenario, str) else "\n".join(f"{k}: {v}" for k, v in scenario.items() if v)
        said = criteria.get("communicate_info") or row.get("outputs") or []
        prompt = [developer(policy, schemas), message("user", OPENING)]
        found.append(
            Question(
                str(row.get("id", len(found))), prompt, {"after": after, "said": [str(s) for s in said]}, plain=told,
                environment={"before": database, "instruction": told},
            )
        )  # fmt: skip
    return found


def load_tools(folder: Path) -> Tools:
    """Return the function `call` of the folder's tools.py. It is the user's own code and runs without a sandbox."""
    source = folder / "tools.py"
    if not source.is_file():
        raise GptOssError(f"{source}: expected a module that defines call(database, name, arguments), found none.")
    module = run_file(source, "tau_tools", "the tools of the user's world")
    if not callable(getattr(module, "call", None)):
        raise GptOssError(f"{source}: expected a function call(database, name, arguments), found none; define it.")
    return module.call


USER_TASK = """You play a person who talks to a service. What you want and know:

{instruction}

Say one thing at a time, in your own words, and nothing that is not written above. What the service has said so far:

{said}

Answer with your next message and nothing else. Once you have what you want, or it is refused for good, answer: END"""


def played_user(ask: Callable[[str], str]) -> User:
    """Return a simulated user whose messages a model writes; ask: from a prompt to its final message."""

    def say(question: Question, said: list[str]) -> str | None:
        text = USER_TASK.format(instruction=question.environment["instruction"], said="\n\n".join(said)).strip()
        answer = ask(text).strip()
        return None if not answer or re.search(r"\bEND\b", answer) else answer

    return say
