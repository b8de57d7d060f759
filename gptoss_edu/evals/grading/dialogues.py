"""Dialogues with tools and a state: what counts is the database at the end, and what the user was told.

Source: Yao et al. 2024, arXiv:2406.12045, section 3 (Tau-bench's reward).
"""

from __future__ import annotations

import json
import re

from gptoss_edu.tasks.graders import plain_digits, same_json

from ..benchmark import Grade, Question, Reply, verdict


def grade_dialogue(question: Question, reply: Reply) -> Grade:
    """Right if the database is the wanted one and every wanted piece was said; target: {"after", "said"}."""
    target = question.target
    if reply.ended != "stop":
        return verdict(False, reply.missing)
    database = reply.database if reply.database is not None else (question.environment or {}).get("before")
    if not same_json(database, target["after"]):
        untouched = same_json(database, (question.environment or {}).get("before"))
        return verdict(False, "nothing was done" if untouched else "another state", json.dumps(database)[:300])
    said = "\n".join(reply.said)
    missing = [piece for piece in target.get("said", ()) if not tells(said, str(piece))]
    return verdict(not missing, "not told", ", ".join(map(str, missing)))


def tells(text: str, piece: str) -> bool:
    """Return whether a piece of information stands in the text, as words or as a whole number, commas aside."""
    text, piece = plain_digits(text).replace(",", "").casefold(), piece.replace(",", "").casefold().strip()
    return re.search(rf"(?<![\w.]){re.escape(piece)}(?!\w|\.\d)", text) is not None
