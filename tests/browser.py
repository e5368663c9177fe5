"""One Chromium for many pages, over its debugging pipe: sizes, themes, scripts off, what a page asked for."""

import base64
import contextlib
import json
import os
import select
import shutil
import subprocess

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = "--headless=new --no-sandbox --disable-gpu --no-first-run --disable-background-networking --mute-audio".split()


class Browser:
    """A browser whose network is refused. Commands are those of the Chrome DevTools Protocol."""

    def __init__(self, folder):
        to_browser, self.out = os.pipe()
        self.inn, from_browser = os.pipe()
        command = [PROGRAM, *FLAGS, "--remote-debugging-pipe", "--host-resolver-rules=MAP * ~NOTFOUND"]
        command += [f"--user-data-dir={folder / 'profile'}", "about:blank"]

        def connect():  # the browser reads commands from 3 and writes to 4
            os.dup2(to_browser, 13)
            os.dup2(from_browser, 14)
            os.dup2(13, 3)
            os.dup2(14, 4)

        home = {**os.environ, "HOME": str(folder)}
        self.process = subprocess.Popen(
            command, preexec_fn=connect, close_fds=False, env=home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(to_browser)
        os.close(from_browser)
        self.count, self.left, self.events = 0, b"", []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = None
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for name in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{name}.enable")
        self.call("Page.setLifecycleEventsEnabled", enabled=True)

    def receive(self):
        """The next message."""
        while b"\0" not in self.left:
            if not select.select([self.inn], [], [], 60)[0]:
                raise RuntimeError("the browser has said nothing for a minute")
            data = os.read(self.inn, 1 << 20)
            if not data:
                raise RuntimeError("the browser has ended")
            self.left += data
        message, self.left = self.left.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, **parameters):
        """The result of a command; what happens meanwhile is kept in `events`."""
        self.count += 1
        message = {"id": self.count, "method": method, "params": parameters}
        if getattr(self, "session", None):
            message["sessionId"] = self.session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.receive()
            if answer.get("id") == self.count:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]
            self.events.append(answer)

    def open(self, address, width=1280, height=900, dark=False, media="", scripts=True):
        """Load a page and wait for it. Afterwards `asked` holds the addresses that it asked for, `said` its errors."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500
        )
        wishes = {"prefers-color-scheme": "dark" if dark else "light", "prefers-reduced-motion": "reduce"}
        features = [{"name": name, "value": value} for name, value in wishes.items()]
        self.call("Emulation.setEmulatedMedia", media=media, features=features)
        self.call("Emulation.setScriptExecutionDisabled", value=not scripts)
        self.events.clear()
        loader = self.call("Page.navigate", url=address)["loaderId"]
        loaded = {"loaderId": loader, "name": "load"}
        while not any(loaded.items() <= e.get("params", {}).items() for e in self.events):
            self.events.append(self.receive())
        if scripts:
            self.run("document.fonts.ready.then(() => 1)")

    @property
    def asked(self):
        """Addresses that the page asked for, without those that hold their data."""
        found = [e["params"]["request"]["url"] for e in self.events if e.get("method") == "Network.requestWillBeSent"]
        return [address for address in found if not address.startswith(("data:", "blob:"))]

    @property
    def said(self):
        """Errors of the page and of its scripts."""
        found = [e["params"]["entry"]["text"] for e in self.events if e.get("method") == "Log.entryAdded"]
        thrown = [e["params"]["exceptionDetails"] for e in self.events if e.get("method") == "Runtime.exceptionThrown"]
        return found + [t.get("exception", {}).get("description", t["text"]) for t in thrown]

    def run(self, script):
        """The value of a script in the page, or of its promise."""
        done = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def picture(self, path, whole=False):
        """A PNG of what is in sight, or of the whole page."""
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"]
        path.write_bytes(base64.b64decode(data))

    def close(self):
        with contextlib.suppress(RuntimeError, OSError):
            self.session = None
            self.call("Browser.close")
        self.process.wait(20)
        os.close(self.out)
        os.close(self.inn)
