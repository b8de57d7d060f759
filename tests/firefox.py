"""Drive a headless Firefox through its Marionette protocol, because Playwright needs a Firefox build of its own.

Source: Mozilla, "Marionette protocol" (a message is its length, a colon, and JSON).
"""

import json
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

PREFERENCES = {
    "marionette.port": 0, "datareporting.policy.dataSubmissionEnabled": False, "toolkit.telemetry.enabled": False,
    "app.update.disabledForTesting": True, "browser.shell.checkDefaultBrowser": False,
    "network.captive-portal-service.enabled": False, "network.connectivity-service.enabled": False,
    "browser.aboutwelcome.enabled": False, "extensions.update.enabled": False,
}  # fmt: skip


def path() -> str | None:
    """Return the path of Firefox, or None."""
    return shutil.which("firefox-esr") or shutil.which("firefox")


class Firefox:
    """One session: `open` an address, and `run` a script in the page that ends with done(value)."""

    def __init__(self, port: int):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=300)
        self.stream = self.socket.makefile("rb")
        self.number = 0
        self._read()  # the greeting
        self._send("WebDriver:NewSession", {})
        self._send("WebDriver:SetTimeouts", {"script": 300_000, "pageLoad": 300_000})

    def _read(self):
        length = b""
        while (byte := self.stream.read(1)) != b":":
            length += byte
        return json.loads(self.stream.read(int(length)))

    def _send(self, command: str, values: dict):
        self.number += 1
        message = json.dumps([0, self.number, command, values]).encode()
        self.socket.sendall(str(len(message)).encode() + b":" + message)
        kind, number, error, result = self._read()
        assert (kind, number) == (1, self.number)
        if error:
            raise AssertionError(f"{command}: {error['error']}: {error['message']}")
        return result

    def open(self, address: str) -> None:
        self._send("WebDriver:Navigate", {"url": address})

    def run(self, script: str, *arguments):
        """Return the value that the script passes to done(…); `given` holds the arguments."""
        body = f"const given = [...arguments], done = given.pop();\n{script}"
        return self._send("WebDriver:ExecuteAsyncScript", {"script": body, "args": list(arguments), "sandbox": None})[
            "value"
        ]

    def close(self) -> None:
        self.socket.close()


@contextmanager
def firefox():
    """Start a browser with a profile of its own."""
    with tempfile.TemporaryDirectory() as profile:
        lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in PREFERENCES.items()]
        (Path(profile) / "user.js").write_text("".join(lines))
        command = [path(), "--headless", "--marionette", "--no-remote", "--profile", profile]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            port, patience = Path(profile) / "MarionetteActivePort", time.monotonic() + 120
            while not (port.exists() and port.read_text().strip()):
                assert process.poll() is None and time.monotonic() < patience, "Firefox did not start"
                time.sleep(0.1)
            session = Firefox(int(port.read_text()))
            try:
                yield session
            finally:
                session.close()
        finally:
            process.terminate()
            process.wait(30)
