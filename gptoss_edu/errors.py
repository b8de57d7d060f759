"""The errors that a user sees. Each names the thing, what was expected, what was found and what to do.

The command line prints a `GptOssError` on one line and exits with 2. Any other exception is a bug of the package.
"""


def is_panic(error: BaseException) -> bool:
    """Return whether the error is the panic of a native extension (tiktoken, llguidance).

    A panic does not derive from Exception, so ordinary handlers miss it.
    """
    return type(error).__module__ == "pyo3_runtime"


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
