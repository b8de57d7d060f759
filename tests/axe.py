"""Run axe-core on a page, for the tests in a browser."""

from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "build" / "axe" / "package" / "axe.min.js"
needs_axe = pytest.mark.skipif(not SCRIPT.exists(), reason="axe-core is missing: make book-deps")


def serious(page, options: str = "{}") -> list:
    """Return the violations of serious or critical impact: (rule, number of elements, the first three elements)."""
    page.evaluate(SCRIPT.read_text(encoding="utf-8"))
    found = page.evaluate(
        f"() => axe.run(document, {{ resultTypes: ['violations'], iframes: false, preload: false, ...{options} }})"
    )
    return [
        (finding["id"], len(finding["nodes"]), [node["html"][:160] for node in finding["nodes"][:3]])
        for finding in found["violations"]
        if finding["impact"] in ("serious", "critical")
    ]
