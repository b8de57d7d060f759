"""Set how many examples a property-based test tries: few on every run, 2,000 or more in `make test-deep`."""

import os

from hypothesis import settings


def examples(few: int, **more) -> settings:
    """Return settings for `few` examples without a deadline; GPTOSS_EXAMPLES=N asks for at least N per test.

    Further keywords go to `hypothesis.settings`.
    """
    return settings(max_examples=max(few, int(os.environ.get("GPTOSS_EXAMPLES", "0"))), deadline=None, **more)
