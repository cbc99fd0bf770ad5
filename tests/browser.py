"""The page in a real browser: Debian's chromium by Playwright, over an application of ours."""

from __future__ import annotations

import json
import re
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from starlette.types import ASGIApp, Receive, Scope, Send

SCREENSHOTS = Path(__file__).parent.parent / "screenshots"
"""Kept for whoever wants to look; git ignores them."""

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)

needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium; apt-get install chromium"
)

PHONE = {"width": 390, "height": 844}
DESK = {"width": 1440, "height": 900}

_EXPECTED = re.compile(
    r"Failed to load resource: .* status of (?:4\d\d|5\d\d)|net::ERR_FAILED|willReadFrequently"
)
"""What the browser says about answers that a test asked for, and of its reading the canvas."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window."""
    with sync_playwright() as playwright:
        # As root, which CI often is, chromium has no sandbox; it sees nothing but our page.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def served(app: ASGIApp) -> Iterator[str]:
    """The address of ``app``, on a port of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(app, lifespan="off", ws="none", log_level="warning")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        finally:
            server.should_exit = True
            thread.join(10)


def below(prefix: str, app: ASGIApp) -> ASGIApp:
    """``app`` as behind a proxy that strips ``prefix``; elsewhere there is nothing."""

    async def proxy(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].startswith(prefix + "/"):
            await app({**scope, "path": scope["path"].removeprefix(prefix)}, receive, send)
            return
        await send({"type": "http.response.start", "status": 418, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    return proxy


@dataclass
class Watched:
    """What the browser complained of, and every address it asked for."""

    complaints: list[str] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.complaints.append(f"thrown: {error}"))
        page.on("request", lambda request: self.addresses.append(request.url))
        page.on("console", self._said)
        page.add_init_script(
            "addEventListener('securitypolicyviolation', (event) => console.error("
            "`CSP: ${event.violatedDirective} ${event.blockedURI}`))"
        )

    def _said(self, message: Any) -> None:
        if message.type in ("error", "warning") and not _EXPECTED.search(message.text):
            self.complaints.append(f"{message.type}: {message.text}")


@contextmanager
def page_at(browser: Browser, address: str, **options: Any) -> Iterator[Page]:
    """A page at ``address``; at its end nothing may have been complained of."""
    context: BrowserContext = browser.new_context(**{"viewport": DESK, **options})
    context.set_default_timeout(8_000)
    watched = Watched()
    page = context.new_page()
    watched.watch(page)
    try:
        page.goto(address)
        yield page
    finally:
        context.close()
    assert watched.complaints == []
    own = address.split("/")[2]
    assert {one.split("/")[2] for one in watched.addresses if one.startswith("http")} == {own}


def keep(page: Page, name: str) -> None:
    """A picture of the whole page, to look at."""
    SCREENSHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)


def refuse(page: Page, path: str, status: int, body: Any, headers: dict[str, str] = {}) -> None:  # noqa: B006
    """From now on ``path`` is answered so."""
    content = body if isinstance(body, str) else json.dumps(body)
    page.route(path, lambda route: route.fulfill(status=status, body=content, headers=headers))


def rows(page: Page) -> Any:
    """The songs answered."""
    return page.locator("#results-body .song")


def ask(page: Page, song: str = "Dub No. 3") -> None:
    """Ask by a song, and wait for the answer."""
    page.fill("#song", song)
    page.keyboard.press("Enter")
    expect(rows(page).first).to_be_visible()
