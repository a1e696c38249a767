"""Headless Chromium over the W3C WebDriver protocol, with nothing but urllib."""

from __future__ import annotations

import base64
import json
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--enable-unsafe-swiftshader",
)
BINARIES = ("chromium", "chromium-browser", "google-chrome")
START_SECONDS, WAIT_SECONDS = 60.0, 30.0


def found() -> tuple[str, str] | None:
    """The paths of a browser and its driver; None where one is absent."""
    browser = next(filter(None, map(shutil.which, BINARIES)), None)
    driver = shutil.which("chromedriver")
    return (browser, driver) if browser and driver else None


@dataclass(frozen=True)
class Browser:
    """One open tab."""

    session: str

    def open(self, page: Path, *, width: int = 1280, height: int = 900) -> None:
        """Open a page at a width, with all earlier console messages dropped."""
        self.devtools("Emulation.clearDeviceMetricsOverride")
        self.devtools(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 640,
        )
        self.console()
        self.call("POST", "/url", url=page.resolve().as_uri())

    def prefers(self, scheme: str) -> None:
        """Ask pages for light or dark colours, as the system would."""
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.devtools("Emulation.setEmulatedMedia", features=[feature])

    def run(self, script: str, *arguments: Any) -> Any:
        """What a JavaScript function body returns in the page."""
        return self.call("POST", "/execute/sync", script=script, args=list(arguments))

    def wait(self, condition: str) -> None:
        """Wait until a JavaScript expression is true."""
        deadline = time.monotonic() + WAIT_SECONDS
        while not self.run(f"return Boolean({condition})"):
            assert time.monotonic() < deadline, f"never true: {condition}"
            time.sleep(0.05)

    def click(self, selector: str, *, x: float = 0.5, y: float = 0.5) -> None:
        """Scroll to an element and click it at a share of its width and height."""
        place = self.run(
            "const node = document.querySelector(arguments[0]);"
            "node.scrollIntoView({block: 'center', behavior: 'instant'});"
            "const box = node.getBoundingClientRect();"
            "return [box.left, box.top, box.width, box.height];",
            selector,
        )
        left, top, width, height = place
        at = {"x": round(left + x * width), "y": round(top + y * height)}
        move = {"type": "pointerMove", "duration": 0, "origin": "viewport", **at}
        presses = [
            {"type": "pointerDown", "button": 0},
            {"type": "pointerUp", "button": 0},
        ]
        pointer = {
            "type": "pointer",
            "id": "mouse",
            "parameters": {"pointerType": "mouse"},
            "actions": [move, {"type": "pause", "duration": 120}, *presses],
        }
        self.call("POST", "/actions", actions=[pointer])

    def drag(self, selector: str, *, by: int) -> None:
        """Press in the middle of an element, move sideways by pixels, let go."""
        left, top, width, height = self.run(
            "const node = document.querySelector(arguments[0]);"
            "node.scrollIntoView({block: 'center', behavior: 'instant'});"
            "const box = node.getBoundingClientRect();"
            "return [box.left, box.top, box.width, box.height];",
            selector,
        )
        x, y = round(left + width / 2), round(top + height / 2)
        move = {"type": "pointerMove", "duration": 60, "origin": "viewport"}
        actions = [
            {**move, "x": x, "y": y},
            {"type": "pointerDown", "button": 0},
            *({**move, "x": x + by * k // 4, "y": y} for k in range(1, 5)),
            {"type": "pointerUp", "button": 0},
        ]
        pointer = {
            "type": "pointer",
            "id": "mouse",
            "parameters": {"pointerType": "mouse"},
            "actions": actions,
        }
        self.call("POST", "/actions", actions=[pointer])

    def choose(self, select: str, value: str) -> None:
        """Pick an option of a select element, as a reader would."""
        self.run(
            "const node = document.querySelector(arguments[0]);"
            "node.value = arguments[1];"
            "if (node.value !== arguments[1]) throw Error('no such option');"
            "node.dispatchEvent(new Event('change', {bubbles: true}));",
            select,
            value,
        )

    def console(self, *, levels: tuple[str, ...] = ("SEVERE", "WARNING")) -> list[str]:
        """Console messages since the last call, by default warnings and errors."""
        entries = self.call("POST", "/se/log", type="browser")
        return [e["message"] for e in entries if e["level"] in levels]

    def screenshot(self, path: Path, *, whole: bool = True) -> None:
        """A picture of the page, for a person to look at."""
        shot = self.devtools("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))

    def devtools(self, command: str, **parameters: Any) -> Any:
        """One command of the DevTools protocol."""
        return self.call("POST", "/goog/cdp/execute", cmd=command, params=parameters)

    def call(self, method: str, path: str, **body: Any) -> Any:
        """One WebDriver command."""
        return _call(f"{self.session}{path}", method, body)


@contextmanager
def browser(binary: str, driver: str) -> Iterator[Browser]:
    """A fresh browser with a profile of its own, closed again in every case."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    root = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [driver, f"--port={port}"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        session = None
        try:
            _await_driver(root)
            options = {
                "binary": binary,
                "args": [*FLAGS, f"--user-data-dir={profile}"],
            }
            wanted = {
                "goog:chromeOptions": options,
                "goog:loggingPrefs": {"browser": "ALL"},
            }
            made = _call(
                f"{root}/session", "POST", {"capabilities": {"alwaysMatch": wanted}}
            )
            session = Browser(f"{root}/session/{made['sessionId']}")
            yield session
        finally:
            if session is not None:
                session.call("DELETE", "")
            process.terminate()
            process.wait(timeout=20)


def _await_driver(root: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            if _call(f"{root}/status", "GET", {})["ready"]:
                return
        except OSError:
            assert time.monotonic() < deadline, "chromedriver did not start"
        time.sleep(0.1)


def _call(url: str, method: str, body: dict[str, Any]) -> Any:
    data = json.dumps(body).encode() if method == "POST" else None
    request = urllib.request.Request(
        url, data=data, method=method, headers={"Content-Type": "application/json"}
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=120) as response:
            return json.load(response)["value"]
    except urllib.error.HTTPError as error:
        raise AssertionError(error.read().decode()) from None
