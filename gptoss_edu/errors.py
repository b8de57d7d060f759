"""The errors that a user sees. Each names the thing, what was expected, what was found and what to do.

The command line prints a `GptOssError` on one line and exits with 2. Any other exception is a bug of the package.
"""

import re


def is_panic(error: BaseException) -> bool:
    """Return whether the error is the panic of a native extension (tiktoken, llguidance).

    A panic does not derive from Exception, so ordinary handlers miss it.
    """
    return type(error).__module__ == "pyo3_runtime"


# Characters that could move a terminal's cursor, change its title or turn the direction of reading; a line break stays.
UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def harmless(text: str) -> str:
    """Return the text with such characters written out, so that a file's contents cannot act on a terminal."""
    return UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


class GptOssError(ValueError):
    """Base class of all errors meant for the user."""


class ConfigError(GptOssError):
    """A model configuration that is incomplete or contradicts itself."""


class CheckpointError(GptOssError):
    """A checkpoint that is missing, damaged, in an unknown format, or does not fit its configuration."""


class TokenizerError(GptOssError):
    """A vocabulary that is missing, damaged, or not the model's."""


class HarmonyError(GptOssError):
    """A conversation or a token stream that the harmony format does not allow."""


class TraceError(GptOssError):
    """A trace file that is damaged, of another version, or not a trace at all."""
