"""Tools that the model can call: the developer's functions, a Python kernel, a browser.

functions.py  from a Python callable or a JSON Schema: description, checked calls, errors that the model can act on
python.py     a stateful Jupyter kernel (kernel.py) in a fence (sandbox.py, jail.py)
browser.py    search, open, find; pages.py is the offline index behind it, live.py the internet, if asked for
"""

from .base import Tool, Toolbox, ToolError, ToolResult
from .functions import Function, FunctionTool, from_callable, from_schema

__all__ = [
    "BrowserTool",
    "Function",
    "FunctionTool",
    "Limits",
    "PythonTool",
    "Tool",
    "ToolError",
    "ToolResult",
    "Toolbox",
    "from_callable",
    "from_schema",
]

LAZY = {"PythonTool": "python", "Limits": "sandbox", "BrowserTool": "browser"}


def __getattr__(name: str):
    if name in LAZY:  # a program without tools does not import zmq
        from importlib import import_module

        return getattr(import_module(f"gptoss_edu.tools.{LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
