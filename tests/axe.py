"""What axe-core finds on a page, for the tests in a browser."""

from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "build" / "axe" / "package" / "axe.min.js"
needs_axe = pytest.mark.skipif(not SCRIPT.exists(), reason="axe-core is missing: make book-deps")


def serious(page, options: str = "{}") -> list:
    """Violations of serious or critical impact: (rule, how many elements, the first three)."""
    page.evaluate(SCRIPT.read_text(encoding="utf-8"))
    found = page.evaluate(
        f"() => axe.run(document, {{ resultTypes: ['violations'], iframes: false, preload: false, ...{options} }})"
    )
    return [
        (finding["id"], len(finding["nodes"]), [node["html"][:160] for node in finding["nodes"][:3]])
        for finding in found["violations"]
        if finding["impact"] in ("serious", "critical")
    ]
