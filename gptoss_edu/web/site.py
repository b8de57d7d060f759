"""The lab, the boxes and the explorer as one classic script, for the pages of a site that is read from a folder.

A browser loads no ES module from file://, but it does load a script; so the modules are joined, closed off in a
function of their own, and what pages call is put into `window.gptoss`.
"""

from __future__ import annotations

import json
import re

from .modules import bundle
from .playground import worker_source

ENTRIES = ("explorer/mount.js", "lab/box.js", "lab/client.js", "lab/lab.js", "picture/picture_box.js")


def site_script() -> str:
    """Return JavaScript that sets `window.gptoss`: {mountBox, mountPicture, mountLab, mountText, …, worker}.

    `worker` is the source text of the model's worker, as ModelClient takes it.
    """
    source = bundle(*ENTRIES)
    names = re.findall(r"^export (?:async )?(?:function\*?|class|const|let) (\w+)", source, re.MULTILINE)
    plain = re.sub(r"^export ", "", source, flags=re.MULTILINE)
    return (
        '(() => {\n"use strict";\n'
        f"{plain}window.gptoss = {{ {', '.join(names)}, worker: {json.dumps(worker_source())} }};\n"
        "})();\n"
    )
