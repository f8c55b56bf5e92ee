"""Debian's Chromium, headless, driven through the pipe of its DevTools protocol.

A message is JSON terminated by a zero byte: commands go to file descriptor 3, answers and
events come from 4. See https://chromedevtools.github.io/devtools-protocol/.
"""

import base64
import itertools
import json
import os
import select
import shutil
import subprocess
import time
from contextlib import contextmanager

PROGRAM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
    None,
)
MISSING = "Needs Chromium: apt install chromium."

_PATIENCE = 60  # Seconds; a busy machine starts a browser slowly.
_FLAGS = (
    "--headless",
    "--no-sandbox",  # Which root needs; pages come from the tests alone.
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--hide-scrollbars",
    "--mute-audio",
    "--no-first-run",
    "--remote-debugging-pipe",
)


class Page:
    """A tab, with its network requests and its errors."""

    def __init__(self, commands, answers):
        self.requests, self.complaints = [], []
        self._commands, self._answers = commands, answers
        self._numbers, self._read, self._session = itertools.count(1), b"", None
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        attached = self.send("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")

    def open(self, path, *, width, height=800, dark=False, touch=False):
        """Loads a file in a window of a size, and waits until it is loaded."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])
        self.send("Emulation.setTouchEmulationEnabled", enabled=touch)
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=touch,
        )
        self.requests.clear()
        self.complaints.clear()
        self.send("Page.navigate", url=path.resolve().as_uri())
        self.wait("document.readyState === 'complete' && location.protocol === 'file:'")

    def run(self, expression):
        """The value of an expression of JavaScript."""
        found = self.send(
            "Runtime.evaluate",
            expression=expression,
            returnByValue=True,
            awaitPromise=True,
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait(self, expression):
        """Waits until an expression of JavaScript is true."""
        end = time.monotonic() + _PATIENCE
        while not self.run(expression):
            assert time.monotonic() < end, f"It never came to be: {expression}"
            time.sleep(0.02)

    def hover(self, selector):
        """Moves the mouse over the first element of a selector."""
        self._mouse("mouseMoved", *self._centre(selector))

    def click(self, selector):
        """Clicks the first element of a selector with the mouse."""
        x, y = self._centre(selector)
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self._mouse(kind, x, y)

    def tap(self, selector):
        """Taps the first element of a selector with a finger."""
        x, y = self._centre(selector)
        self.send(
            "Input.dispatchTouchEvent", type="touchStart", touchPoints=[dict(x=x, y=y)]
        )
        self.send("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def press(self, key):
        """Presses a key, such as ``ArrowRight``."""
        codes = {"Enter": 13, "Escape": 27, "Tab": 9, "Home": 36, "End": 35}
        codes |= {"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}
        typed = {"text": "\r"} if key == "Enter" else {}
        code = codes[key]
        for kind in ("keyDown", "keyUp"):
            self.send(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                code=key,
                windowsVirtualKeyCode=code,
                **(typed if kind == "keyDown" else {}),
            )

    def picture(self, path, *, whole=True):
        """Writes a screenshot as PNG, of the whole page or of the window."""
        shot = self.send(
            "Page.captureScreenshot",
            captureBeyondViewport=whole,
            **({"clip": self._extent()} if whole else {}),
        )
        path.write_bytes(base64.b64decode(shot["data"]))

    def send(self, method, **parameters):
        """The answer to a command; events that come before it are noted."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == number:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]
            self._note(answer)

    def _extent(self):
        size = self.send("Page.getLayoutMetrics")["cssContentSize"]
        return {**size, "scale": 1}

    def _centre(self, selector):
        return self.run(f"""(() => {{
            const element = document.querySelector({json.dumps(selector)});
            element.scrollIntoView({{block: "center"}});
            const box = element.getBoundingClientRect();
            return [box.x + box.width / 2, box.y + box.height / 2];
        }})()""")

    def _mouse(self, kind, x, y):
        button = {} if kind == "mouseMoved" else {"button": "left", "clickCount": 1}
        self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, **button)

    def _receive(self):
        while b"\0" not in self._read:
            ready, _, _ = select.select([self._answers], [], [], _PATIENCE)
            assert ready, "Chromium does not answer."
            some = os.read(self._answers, 1 << 20)
            assert some, "Chromium has ended."
            self._read += some
        message, _, self._read = self._read.partition(b"\0")
        return json.loads(message)

    def _note(self, event):
        given = event.get("params", {})
        match event.get("method"):
            case "Network.requestWillBeSent":
                url = given["request"]["url"]
                if not url.startswith("data:"):  # As icons of the video's controls.
                    self.requests.append(url)
            case "Runtime.exceptionThrown":
                self.complaints.append(given["exceptionDetails"])
            case "Log.entryAdded" if given["entry"]["level"] == "error":
                self.complaints.append(given["entry"])
            case "Runtime.consoleAPICalled":
                self.complaints.append(given["args"])


@contextmanager
def chromium(profile):
    """A page in a new browser, whose profile is an empty folder."""
    from_us, commands = os.pipe()
    answers, from_it = os.pipe()
    words = [PROGRAM, *_FLAGS, f"--user-data-dir={profile}"]
    # The shell gives the two ends the numbers that Chromium wants; dash knows no
    # descriptors above 9.
    script = f'exec "$0" "$@" 3<&{from_us} 4>&{from_it} 2>/dev/null'
    process = subprocess.Popen(
        ["bash", "-c", script, *words], pass_fds=(from_us, from_it)
    )
    os.close(from_us)
    os.close(from_it)
    try:
        yield Page(commands, answers)
    finally:
        os.close(commands)  # At which it ends.
        os.close(answers)
        process.wait(_PATIENCE)
