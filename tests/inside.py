"""Run a command in this process: a new process would import torch again, which takes longer than most commands."""

from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from types import SimpleNamespace

from gptoss_edu.cli import main


def run(*arguments) -> SimpleNamespace:
    """Return what `subprocess.run` would for `gptoss-edu ARGUMENTS`: returncode, stdout, stderr. Raise exceptions."""
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            code = main(list(map(str, arguments)))
        except SystemExit as end:  # argparse
            code = end.code
    return SimpleNamespace(returncode=code, stdout=out.getvalue(), stderr=err.getvalue())
