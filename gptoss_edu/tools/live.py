"""Pages from the internet, only on explicit request. Nothing in this package uses this module by default.

The model's requests are not trusted. Only http and https on their usual ports are allowed, and only addresses of the
public internet, checked after every redirect and on the exact address that is connected to. Bytes and seconds are
limited.
"""

from __future__ import annotations

import codecs
import contextlib
import http.client
import ipaddress
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from gptoss_edu.errors import GptOssError

from .base import ToolError
from .pages import OfflineBackend, Page, page_from_html, page_from_markdown

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
TEXT_KINDS = ("text/plain", "text/markdown", "text/csv", "application/json", "application/xml", "text/xml")
HTML_KINDS = ("text/html", "application/xhtml+xml")
REDIRECTS = (301, 302, 303, 307, 308)
CHARSET_NAME = re.compile(r"[a-z0-9][a-z0-9_.:-]{0,39}")
# The encodings of the web (WHATWG), by Python's names; all of them decode in linear time.
CHARSETS = frozenset([
    *(f"iso8859-{part}" for part in (*range(1, 12), 13, 14, 15, 16)),
    *(f"cp{page}" for page in (866, 874, 932, 949, *range(1250, 1259))),
    "ascii", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "koi8-r", "koi8-u", "mac-roman", "mac-cyrillic",
    "gbk", "gb2312", "gb18030", "hz", "big5", "big5hkscs", "euc_jp", "shift_jis", "iso2022_jp", "euc_kr",
])  # fmt: skip
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def is_public(address: Address) -> bool:
    """Return whether an address belongs to the public internet, including any address embedded in it."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo and address.teredo[1])
        if address in NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner:
            return is_public(inner)
        if address.is_site_local:
            return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


@dataclass(frozen=True)
class FetchLimits:
    """Limits for fetching one page, including redirects."""

    seconds: float = 15.0
    bytes: int = 1_000_000
    redirects: int = 5
    convert_seconds: float = 10.0  # from HTML to text
    ports: tuple[int, ...] = (80, 443)


@dataclass
class LiveBackend:
    """Opens public web pages. Search still covers only the bundled pages, since a search engine would need an account.

    Parameters
    ----------
    allow_internet : must be True: a model that can open addresses can also send data to them.
    allowed : decides on addresses; tests pass their own.
    resolve : (host, port) → addresses; the system's resolver.
    """

    allow_internet: bool = False
    limits: FetchLimits = field(default_factory=FetchLimits)
    allowed: Callable[[Address], bool] = is_public
    resolve: Callable[[str, int], list[str]] | None = None
    offline: OfflineBackend | None = None
    source: str = "web"

    def __post_init__(self):
        if not self.allow_internet:
            raise GptOssError("LiveBackend: expected allow_internet=True, found False; pass True to allow live pages.")
        self.offline = self.offline or OfflineBackend()

    def search(self, query: str, limit: int) -> list[tuple[str, str, str]]:
        return self.offline.search(query, limit)

    def fetch(self, url: str) -> Page:
        """Return the page at a URL as text; every failure is a ToolError for the model."""
        if url.startswith("course://"):
            return self.offline.fetch(url)
        try:
            return self._fetch(url)
        except ToolError:
            raise
        except Exception as error:  # a server can send wrong data in countless ways
            raise ToolError(f"{url[:200]} cannot be read: {type(error).__name__}: {error}"[:500]) from None

    def _fetch(self, url: str) -> Page:
        deadline = time.monotonic() + self.limits.seconds
        for _ in range(self.limits.redirects + 1):
            parts = check_url(url, self.limits.ports)
            addresses = self._addresses(parts, deadline)
            status, headers, body, cut = self._get(parts, addresses, deadline)
            if status not in REDIRECTS:
                return self._page(url, status, headers, body, cut)
            if not headers.get("location"):
                raise ToolError(f"{url} answers with a redirect to nowhere.")
            url = follow(url, headers["location"])
        raise ToolError(f"{url}: more than {self.limits.redirects} redirects.")

    def _addresses(self, parts: SplitResult, deadline: float) -> list[str]:
        """Return the host's addresses; all must be allowed, since any of them may be used."""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        found = call_with_deadline(
            lambda: (self.resolve or system_resolve)(parts.hostname, port), deadline, parts.hostname
        )
        if not found:
            raise ToolError(f"{parts.hostname} has no address.")
        for text in found:
            if not self.allowed(ipaddress.ip_address(text.split("%")[0])):
                raise ToolError(
                    f"{parts.hostname} is at {text}, which is not an address of the public internet: refused."
                )
        return found

    def _get(self, parts: SplitResult, addresses: list[str], deadline: float) -> tuple[int, dict, bytes, bool]:
        """Send one request to the first address. (status, headers in lower case, at most `bytes` bytes, was it cut)"""
        secure = parts.scheme == "https"
        port = parts.port or (443 if secure else 80)
        connection = http.client.HTTPConnection(parts.hostname, port)
        watchdog = None
        try:
            plain = socket.create_connection((addresses[0], port), timeout=max(0.1, deadline - time.monotonic()))
            # The connection is cut at the deadline, however slowly data trickles in.
            watchdog = threading.Timer(max(0.1, deadline - time.monotonic()), cut_off, [plain])
            watchdog.daemon = True
            watchdog.start()
            context = ssl.create_default_context() if secure else None
            connection.sock = context.wrap_socket(plain, server_hostname=parts.hostname) if context else plain
            target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._") + (f"?{parts.query}" if parts.query else "")
            headers = {
                "Accept": "text/html, text/plain;q=0.9",
                "Accept-Encoding": "identity",
                "User-Agent": "gptoss-edu",
            }
            connection.request("GET", target.replace(" ", "%20"), headers=headers)
            response = connection.getresponse()
            body = b"" if response.status in REDIRECTS else response.read(self.limits.bytes + 1)
            if time.monotonic() > deadline:
                raise TimeoutError
            names = {key.lower(): value for key, value in response.getheaders()}
            return response.status, names, body[: self.limits.bytes], len(body) > self.limits.bytes
        except (TimeoutError, http.client.HTTPException, OSError, ValueError, UnicodeError) as error:
            if time.monotonic() > deadline - 0.05:
                raise ToolError(f"{parts.geturl()} took longer than {self.limits.seconds:g} s.") from None
            raise ToolError(f"{parts.geturl()} cannot be read: {type(error).__name__}: {error}.") from None
        finally:
            if watchdog:
                watchdog.cancel()
            connection.close()

    def _page(self, url: str, status: int, headers: dict[str, str], body: bytes, cut: bool) -> Page:
        if status != 200:
            raise ToolError(f"{url} answers with status {status}.")
        kind, _, rest = headers.get("content-type", "text/plain").lower().partition(";")
        if headers.get("content-encoding", "identity").lower() not in ("identity", ""):
            raise ToolError(f"{url} sends compressed data, although it was asked not to: refused.")
        if kind.strip() not in (*TEXT_KINDS, *HTML_KINDS):
            raise ToolError(f"{url} is {kind.strip() or 'of unknown kind'}, not text.")
        charset = rest.partition("charset=")[2].split(";")[0].strip("\"' ")
        text = body.decode(codec_of(charset), errors="replace")
        page = (
            page_from_html(text, url, self.limits.convert_seconds)
            if kind.strip() in HTML_KINDS
            else page_from_markdown(text, url, url)
        )
        if cut:
            page.text += f"\n\n[The page is longer; this is what its first {self.limits.bytes:,} bytes hold.]"
        return page


def codec_of(charset: str) -> str:
    """Return the codec of a charset; utf-8 for one that web pages do not use.

    Python has more codecs than the web: punycode takes hours for a megabyte, and others cannot decode at all.
    """
    try:
        name = codecs.lookup(charset).name if CHARSET_NAME.fullmatch(charset) else "utf-8"
    except (LookupError, ValueError):
        return "utf-8"
    return name if name in CHARSETS else "utf-8"


def follow(url: str, location: str) -> str:
    """Return where a redirect leads."""
    try:
        return urljoin(url, location)
    except ValueError as error:
        raise ToolError(f"{url} redirects to what is not a URL: {error}.") from None


def check_url(url: str, ports: tuple[int, ...]) -> SplitResult:
    """Return the parts of an allowed URL; refuse all others with a reason."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ToolError(f"{url!r} is not a URL: {error}.") from None
    if parts.scheme not in ("http", "https"):
        raise ToolError(f"{url!r}: expected an address with http:// or https://, found {parts.scheme or 'none'!r}.")
    if not parts.hostname or parts.username is not None or parts.password is not None:
        raise ToolError(f"{url!r}: expected https://host/path without user name, found something else.")
    if any(character <= " " or character == "\x7f" for character in url.strip()) or len(url) > 4000:
        raise ToolError("The URL has control characters or blanks, or more than 4,000 characters.")
    if port is not None and port not in ports:
        raise ToolError(f"{url!r}: port {port} is not allowed; allowed: {', '.join(map(str, ports))}.")
    return parts


def system_resolve(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def call_with_deadline(function: Callable[[], list[str]], deadline: float, host: str | None) -> list[str]:
    """Resolve a name in a thread, because the system's resolver has no time limit."""
    result: list[list[str] | Exception] = []

    def run() -> None:
        try:
            result.append(function())
        except (OSError, UnicodeError) as error:
            result.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(max(0.1, deadline - time.monotonic()))
    if not result:
        raise ToolError(f"The name {host} was not found in time.")
    if isinstance(result[0], Exception):
        raise ToolError(f"The name {host} is not known: {result[0]}.")
    return result[0]


def cut_off(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
