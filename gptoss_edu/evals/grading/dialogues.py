"""Grade dialogues with tools and a state by the final database and by what the user was told.

Source: Yao et al. 2024, arXiv:2406.12045, section 3 (Tau-bench's reward).
"""

from __future__ import annotations

import json
import re

from gptoss_edu.tasks.graders import plain_digits, same_json

from ..benchmark import Grade, Question, Reply, verdict


def grade_dialogue(question: Question, reply: Reply) -> Grade:
    """Grade as right if the database is as wanted and every wanted piece was said; target: {"after", "said"}."""
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
    """Return whether a piece of information is in the text, as words or as a whole number, ignoring commas."""
    text, piece = plain_digits(text).replace(",", "").casefold(), piece.replace(",", "").casefold().strip()
    return re.search(rf"(?<![\w.]){re.escape(piece)}(?!\w|\.\d)", text) is not None
