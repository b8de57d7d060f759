"""Errors in the form that OpenAI's clients expect."""

from __future__ import annotations

from gptoss_edu.errors import GptOssError


class ApiError(GptOssError):
    """A refused request.

    Parameters
    ----------
    status : HTTP status. param : the field at fault. code : an identifier for programs. headers : extra headers of the
        answer.
    """

    def __init__(
        self,
        message: str,
        param: str | None = None,
        code: str | None = None,
        status: int = 400,
        headers: dict[str, str] | None = None,
    ):
        super().__init__(message)
        self.param, self.code, self.status, self.headers = param, code, status, headers or {}

    def body(self) -> dict:
        """Return the JSON of the answer."""
        kinds = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}
        kind = "server_error" if self.status >= 500 else kinds.get(self.status, "invalid_request_error")
        return {"error": {"message": str(self), "type": kind, "param": self.param, "code": self.code}}


def unsupported(what: str, param: str, instead: str = "leave it out") -> ApiError:
    """Return the error for a feature of OpenAI's API that this server lacks."""
    return ApiError(f"{what} is not supported by this server; {instead}.", param, "unsupported_parameter")
