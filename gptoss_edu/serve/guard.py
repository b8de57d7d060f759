"""Access checks: Host, Origin, key, content type and size, before a request's body is read.

Any web page that is open in the browser of the person who runs the server can send requests to it. But the page cannot
choose the Host, and its Origin shows where it comes from. A name that was made to point here (DNS rebinding) is not on
the list of hosts.
"""

from __future__ import annotations

import hmac
import ipaddress
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse

from .errors import ApiError

MAX_BODY = 4 << 20
LOOPBACK = ("127.0.0.1", "localhost", "::1")
OPEN = ("/", "/health")  # need no key: a page without data, and the health check


@dataclass(frozen=True)
class Guard:
    """The rules.

    hosts : names of the server, besides the loopback's. any_address : also allow any IP address, for a server that
        listens on all of them. origins : other sites whose pages may send requests. key : expected as a bearer token.
    """

    hosts: tuple[str, ...] = ()
    any_address: bool = False
    origins: tuple[str, ...] = ()
    key: str | None = None

    def check(self, request: Request) -> None:
        """Refuse a request by its headers alone.

        Raises
        ------
        ApiError : 403 for a foreign Host or Origin, 401 for a wrong key, 415 and 413 for a body of the wrong kind or
        size.
        """
        headers = request.headers
        host = headers.get("host", "")
        if not self._is_ours(_name_of(host)):
            raise ApiError(f"The Host {host!r:.80} is not one of this server's names.", code="foreign_host", status=403)
        origin = headers.get("origin")
        if origin is not None and origin not in self.origins and origin != f"{request.url.scheme}://{host}":
            raise ApiError(f"Requests from pages of {origin!r:.80} are not allowed.", code="foreign_origin", status=403)
        if self.key is not None and request.url.path not in OPEN and request.method != "OPTIONS":
            scheme, _, given = headers.get("authorization", "").partition(" ")
            if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), self.key.encode()):
                raise ApiError(
                    "The API key is missing or wrong.",
                    code="invalid_api_key",
                    status=401,
                    headers={"WWW-Authenticate": "Bearer"},
                )
        if request.method == "POST":
            kind = headers.get("content-type", "").split(";")[0].strip().lower()
            if kind != "application/json":
                raise ApiError(
                    f"Expected a body of type application/json, found {kind!r:.60}.",
                    code="unsupported_media_type",
                    status=415,
                )
            length = headers.get("content-length", "0")
            if not length.isdecimal() or int(length) > MAX_BODY:
                raise _too_large()

    def _is_ours(self, name: str) -> bool:
        if name in LOOPBACK or name in self.hosts:
            return True
        try:
            return self.any_address and bool(ipaddress.ip_address(name))
        except ValueError:
            return False

    def sharing(self, origin: str | None) -> dict[str, str]:
        """Return CORS headers for pages that --allow-origin names."""
        if origin is None or origin not in self.origins:
            return {}
        return {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Allow-Headers": "authorization, content-type",
            "Access-Control-Allow-Methods": "GET, POST, DELETE",
            "Vary": "Origin",
        }


async def read_body(request: Request) -> bytes:
    """Read the body, counting its bytes, since its declared length need not be true."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BODY:
            raise _too_large()
        parts.append(part)
    return b"".join(parts)


async def drain(request: Request) -> None:
    """Keep reading what a refused client sends, for a while: a client that is cut off may not see the answer."""
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > 4 * MAX_BODY:
            return


def _too_large() -> ApiError:
    return ApiError(
        f"The body is larger than {MAX_BODY >> 20} MiB.",
        code="body_too_large",
        status=413,
        headers={"Connection": "close"},
    )


def _name_of(host: str) -> str:
    """Return a Host without its port."""
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].rstrip(".")


def refusal(error: ApiError) -> JSONResponse:
    return JSONResponse(error.body(), error.status, error.headers)
