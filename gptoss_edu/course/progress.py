"""The exercises as listed by `gptoss-edu progress`: by chapter, with the results in a learner's folder."""

from __future__ import annotations

from gptoss_edu.checks import registry
from gptoss_edu.checks.outcomes import FILE_NAME, PASSED, REFUSED, is_own, read, record

CHECKED = registry.by_chapter(stored=True)  # stored as source, and checked again
BY_CHAPTER = registry.by_chapter(stored=False)  # stored as outcomes
MORE = registry.names(stored=False)

__all__ = ["BY_CHAPTER", "CHECKED", "FILE_NAME", "MORE", "PASSED", "REFUSED", "is_own", "read", "record"]
