"""The page at ``/``: asking by song, by sound and by words, refining."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("playwright", reason="playwright is not installed")
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser import ask, below, needs_chromium, page_at, rows, served
from tests.pages import EVIL, Answers, page_app

pytestmark = needs_chromium


def test_a_song_by_its_first_letters_and_on_from_there(page: Page) -> None:
    song = page.get_by_role("combobox", name="Song or artist")
    song.press_sequentially("dub no. 1")
    options = page.locator(".suggestions li")
    expect(options).to_have_count(4)  # 1, 10, 11, 12
    expect(song).to_have_attribute("aria-expanded", "true")
    song.press("ArrowDown")
    song.press("ArrowDown")
    expect(options.nth(1)).to_have_attribute("aria-selected", "true")
    assert song.get_attribute("aria-activedescendant") == options.nth(1).get_attribute("id")
    chosen = options.nth(1).locator(".title").inner_text()
    song.press("Enter")
    expect(page.locator("#results-title")).to_have_text(f"The Dub Trio - {chosen}")
    expect(rows(page)).to_have_count(10)
    expect(rows(page).first).to_contain_text("Dub No.")
    assert page.url.endswith(f"?song=The+Dub+Trio+-+{chosen.replace(' ', '+')}")
    values = [
        float(text)
        for text in page.locator(".value").all_inner_texts()
        for text in text.split()[-1:]
    ]
    assert values == sorted(values, reverse=True)
    widths = page.evaluate(
        "[...document.querySelectorAll('.bar-fill')].map((bar) => bar.style.inlineSize)"
    )
    assert [round(float(one.rstrip("%"))) for one in widths] == [round(100 * one) for one in values]

    following = rows(page).nth(2).locator(".title").inner_text()
    rows(page).nth(2).get_by_role("link").click()
    expect(page.locator("#results-title")).to_have_text(f"The Dub Trio - {following}")
    expect(page.locator("#results")).to_be_focused()
    expect(page.locator("#live")).to_contain_text("10 songs like")
    page.go_back()
    expect(page.locator("#results-title")).to_have_text(f"The Dub Trio - {chosen}")
    page.reload()
    expect(page.locator("#results-title")).to_have_text(f"The Dub Trio - {chosen}")
    expect(song).to_have_value(f"The Dub Trio - {chosen}")
    page.get_by_role("link", name="vibe-search").click()
    expect(page.get_by_text("Begin with one of these")).to_be_visible()
    assert "?" not in page.url


def test_escape_closes_the_suggestions_then_clears(page: Page) -> None:
    song = page.locator("#song")
    song.press_sequentially("waltz")
    expect(page.locator(".suggestions li").first).to_be_visible()
    song.press("Escape")
    expect(page.locator(".suggestions li")).to_have_count(0)
    expect(song).to_have_value("waltz")
    song.press("Escape")
    expect(song).to_have_value("")


def test_what_was_typed_before_does_not_come_back(page: Page) -> None:
    held: list[Route] = []
    page.route("**/songs?q=wal&*", lambda route: held.append(route))  # noqa: PLW0108 - playwright counts
    song = page.locator("#song")
    song.press_sequentially("wal")
    page.wait_for_timeout(300)
    assert len(held) == 1
    song.fill("choral")
    expect(page.locator(".suggestions li").first).to_contain_text("Choral")
    held[0].continue_()
    page.wait_for_timeout(200)
    expect(page.locator(".suggestions li").first).to_contain_text("Choral")


def test_a_name_is_never_markup(page: Page) -> None:
    page.fill("#song", "Bobby")
    expect(page.locator(".suggestions li").first).to_contain_text("<img src=x")
    page.locator("#song").press("ArrowDown")
    page.locator("#song").press("Enter")
    expect(page.locator("#results-title")).to_have_text(EVIL)
    assert page.locator("main img").count() == 0
    assert page.title() == f"{EVIL} · vibe-search"


def test_a_sound_that_is_chosen(page: Page, site: tuple[str, Answers], tmp_path: Path) -> None:
    clip = tmp_path / "clip.ogg"
    clip.write_bytes(b"OggS and more")
    page.get_by_role("tab", name="A sound").click()
    page.locator("#file").set_input_files(clip)
    expect(page.locator("#results-title")).to_have_text("clip.ogg")
    expect(rows(page)).to_have_count(3)
    kind, (content_type, body) = site[1].asked[-1]
    assert kind == "audio"
    assert content_type.startswith("multipart/form-data; boundary=")
    assert b'name="file"; filename="clip.ogg"' in body
    assert b"OggS and more" in body
    rows(page).first.get_by_role("link").click()
    expect(page.locator("#results-title")).not_to_have_text("clip.ogg")
    page.go_back()
    expect(page.locator("#results-title")).to_have_text("clip.ogg")


def test_a_sound_that_is_dropped(page: Page) -> None:
    file = page.evaluate_handle(
        "() => { const data = new DataTransfer();"
        " data.items.add(new File(['OggS'], 'dropped.ogg', {type: 'audio/ogg'})); return data }"
    )
    page.dispatch_event("h1", "dragenter", {"dataTransfer": file})
    expect(page.locator("#drop-veil")).to_be_visible()
    page.dispatch_event("h1", "drop", {"dataTransfer": file})
    expect(page.locator("#drop-veil")).to_be_hidden()
    expect(page.locator("#results-title")).to_have_text("dropped.ogg")
    expect(page.get_by_role("tab", name="A sound")).to_have_attribute("aria-selected", "true")


def test_words_are_ranked_and_not_measured(page: Page, site: tuple[str, Answers]) -> None:
    page.get_by_role("tab", name="A song").focus()
    page.keyboard.press("ArrowLeft")  # round to the last
    expect(page.get_by_role("tab", name="Words")).to_be_focused()
    page.get_by_role("textbox", name="Sounds like").fill("slow dark piano")
    page.get_by_label("But not like").fill("vocals")
    page.keyboard.press("Enter")
    expect(page.locator("#results-title")).to_have_text("“slow dark piano” but not “vocals”")
    assert site[1].asked[-1] == ("text", {"q": "slow dark piano", "minus": "vocals", "top_k": "10"})
    assert page.locator(".value").count() == 0
    assert page.locator(".bar-fill").first.evaluate("(bar) => bar.style.inlineSize") == "100%"
    page.reload()
    expect(page.locator("#results-title")).to_have_text("“slow dark piano” but not “vocals”")


def test_refined(page: Page) -> None:
    ask(page)
    sent: list[dict[str, Any]] = []

    def answer(route: Route) -> None:
        sent.append(json.loads(route.request.post_data or ""))
        found = [{"song": "The Dub Trio - Dub No. 5", "similarity": 0.5}]
        body = {"matched": "The Dub Trio - Dub No. 3", "recommendations": found, "error": None}
        route.fulfill(json=body)

    page.route("**/recommend", answer)
    first = (
        rows(page).first.locator("[data-key^=song]").get_attribute("data-key").removeprefix("song ")
    )
    rows(page).first.get_by_role("button", name="Not like").click()
    expect(page.locator(".chip")).to_have_count(1)
    page.get_by_text("Refine", exact=True).click()
    page.get_by_label("At most per artist").fill("2")
    page.get_by_label("Variety").fill("0.4")
    page.locator("#top-k").fill("999")
    page.locator("#top-k").press("Tab")
    expect(page.locator("#top-k")).to_have_value("100")
    expect(rows(page)).to_have_count(1)
    assert sent[-1] == {
        **{"song": "Dub No. 3", "top_k": 100, "diversity": 0.4, "max_per_artist": 2},
        **{"not_like": [first], "exclude": [first]},
    }
    page.get_by_role("button", name="No longer avoid").click()
    expect(page.locator(".chip")).to_have_count(0)
    assert "not_like" not in sent[-1]


def test_signs_that_are_still_composed_choose_nothing(page: Page) -> None:
    """Arrows and Enter belong to the input method while it is at work."""
    page.locator("#song").press_sequentially("dub")
    expect(page.locator(".suggestions li").first).to_be_visible()
    for key in ("ArrowDown", "Enter", "Escape"):
        page.locator("#song").dispatch_event(
            "keydown", {"key": key, "isComposing": True, "bubbles": True}
        )
    expect(page.locator(".suggestions li[aria-selected='true']")).to_have_count(0)
    expect(page.locator(".suggestions li").first).to_be_visible()
    assert "song=" not in page.url


def test_below_a_prefix(browser: Browser) -> None:
    app, _ = page_app()
    with (
        served(below("/music/deep", app)) as address,
        page_at(browser, f"{address}music/deep/") as page,
    ):
        ask(page)
        expect(page.locator("#map")).to_be_visible()
        assert page.url.startswith(f"{address}music/deep/?song=")
        page.get_by_role("link", name="vibe-search").click()
        expect(page).to_have_url(f"{address}music/deep/")
        assert page.get_by_role("link", name="API").evaluate("(link) => link.href") == (
            f"{address}music/deep/docs"
        )
