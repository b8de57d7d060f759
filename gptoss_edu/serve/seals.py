"""Sign thoughts that a client stores between requests, so that only the model's own tokens are accepted.

They are signed but not hidden: the reasoning item holds the same text.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import struct

import tiktoken

from gptoss_edu.harmony import HarmonyError, Message, parse, render


class Seals:
    """Signs messages with a key that lives as long as the server.

    encoding : the model's
    """

    def __init__(self, encoding: tiktoken.Encoding, key: bytes | None = None):
        self.encoding, self._key = encoding, key or secrets.token_bytes(32)

    def seal(self, message: Message) -> str:
        """Encode a thought as text: its tokens and their signature."""
        tokens = render([message], next_role=None, encoding=self.encoding, drop_analysis="keep")
        data = struct.pack(f"<{len(tokens)}I", *tokens)
        return f"{_text(data)}.{_text(self._sign(data))}"

    def unseal(self, sealed: str) -> Message | None:
        """Decode a sealed thought; None if the signature is not this server's."""
        body, _, signature = sealed.partition(".")
        try:
            data, given = (base64.urlsafe_b64decode(part.encode("ascii")) for part in (body, signature))
        except (binascii.Error, UnicodeEncodeError, ValueError):
            return None
        if not hmac.compare_digest(given, self._sign(data)):
            return None
        try:
            (message,) = parse(struct.unpack(f"<{len(data) // 4}I", data), strict=True, encoding=self.encoding)
        except (HarmonyError, ValueError):  # a repaired thought need not be well-formed
            return None
        return message

    def _sign(self, data: bytes) -> bytes:
        return hmac.digest(self._key, self.encoding.name.encode() + b"\0" + data, hashlib.sha256)


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode("ascii")
