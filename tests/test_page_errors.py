"""The page when it is refused, by a song, a sound or words, or when the server is gone."""

from __future__ import annotations

import pytest

pytest.importorskip("playwright", reason="playwright is not installed")
from playwright.sync_api import Page, expect

from tests.browser import keep, needs_chromium, refuse, rows

pytestmark = needs_chromium


@pytest.mark.parametrize(
    ("status", "error", "title"),
    [
        (404, "no song is named like 'x'", "No song by that name"),
        (422, "song: too long", "That does not fit together"),
        (503, "the encoder's queue is full", "The server is busy"),
        (500, "", "Something went wrong"),
    ],
)
def test_a_song_that_is_refused(page: Page, status: int, error: str, title: str) -> None:
    body = {"matched": None, "recommendations": [], "error": error, "suggestions": ["A & B"]}
    refuse(page, "**/recommend", status, body if error else "<h1>oops", {"retry-after": "3"})
    page.fill("#song", "zither of zero")
    page.get_by_role("button", name="Listen").first.click()
    alert = page.get_by_role("alert")
    expect(alert.get_by_role("heading")).to_have_text(title)
    expect(alert).to_contain_text(error or "status 500")
    page.unroute("**/recommend")
    if status >= 500:
        alert.get_by_role("button", name="Try again (in 3 s)").click()
        expect(alert).to_contain_text("no song is named")  # asks the same again
    else:
        expect(alert.get_by_role("button")).to_have_text("A & B")


def test_suggestions_of_an_error_lead_on(page: Page) -> None:
    page.fill("#song", "Purple Rain")
    page.keyboard.press("Enter")
    suggested = page.get_by_role("alert").get_by_role("button").first
    expect(suggested).to_be_visible()
    keep(page, "error")
    suggested.click()
    expect(rows(page).first).to_be_visible()


@pytest.mark.parametrize(
    ("status", "title"),
    [
        (413, "That is too large"),
        (415, "That is no audio file this server knows"),
        (422, "That could not be listened to"),
        (503, "The server is busy"),
        (404, "This server cannot do that"),
        (501, "This catalogue cannot be asked by sound"),
    ],
)
def test_a_sound_that_is_refused(page: Page, status: int, title: str) -> None:
    refuse(page, "**/recommend/audio*", status, {"error": "clip.ogg: it is so", "matched": None})
    page.get_by_role("tab", name="A sound").click()
    file = {"name": "clip.ogg", "mimeType": "audio/ogg", "buffer": b"x"}
    page.locator("#file").set_input_files(files=[file])
    expect(page.get_by_role("alert").get_by_role("heading")).to_have_text(title)
    expect(page.get_by_role("alert")).to_contain_text("it is so")


def test_words_where_there_are_none(page: Page) -> None:
    command = "python -m export --towers audio,text --to BUNDLE"
    refuse(page, "**/recommend/text?*", 501, {"error": f"no text tower; add it: {command}"})
    page.get_by_role("tab", name="Words").click()
    page.get_by_role("textbox", name="Sounds like").fill("sad")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert").get_by_role("heading")).to_have_text(
        "This catalogue does not know words yet"
    )
    expect(page.get_by_role("alert")).to_contain_text(command)


def test_a_server_that_is_gone(page: Page) -> None:
    page.route("**/recommend", lambda route: route.abort())
    page.fill("#song", "Dub")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("The server cannot be reached")
    page.unroute("**/recommend")
    page.get_by_role("button", name="Try again").click()
    expect(rows(page).first).to_be_visible()
