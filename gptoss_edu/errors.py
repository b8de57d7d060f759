"""The errors that a user sees: each names the thing, what was expected, what was found and what to do.

The command line prints the text of a `GptOssError` on one line and exits 2; everything else is a fault of the package.
"""


def is_panic(error: BaseException) -> bool:
    """Return whether the error is the panic of a native extension (tiktoken, llguidance).

    A panic does not derive from Exception, so ordinary handlers miss it.
    """
    return type(error).__module__ == "pyo3_runtime"


class GptOssError(ValueError):
    """Base of every error that is meant for the user."""


class ConfigError(GptOssError):
    """A model configuration that is incomplete or contradicts itself."""


class CheckpointError(GptOssError):
    """A checkpoint that is missing, damaged, foreign, or does not fit its configuration."""


class TokenizerError(GptOssError):
    """A vocabulary that is missing or damaged, or that does not belong to the model."""


class HarmonyError(GptOssError):
    """A conversation or a token stream that the harmony format does not allow."""


class TraceError(GptOssError):
    """A trace file that is damaged, foreign, or of another version."""
