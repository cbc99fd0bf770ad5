"""The page's lists: the playlist, what plays, what may be there twice."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="playwright is not installed")
from playwright.sync_api import Browser, Page, expect

from tests.browser import ask, keep, needs_chromium, page_at, refuse, rows, served
from tests.pages import Answers, Tone, page_app

pytestmark = needs_chromium


def playlist_of(page: Page) -> list[str]:
    return page.locator("#playlist-songs .title").all_inner_texts()


def playlist_names(page: Page) -> list[str]:
    links = page.locator("#playlist-songs [data-key^='song ']")
    keys = links.evaluate_all("(all) => all.map((one) => one.dataset.key)")
    return [key.removeprefix("song ") for key in keys]


def test_a_playlist_by_hand(page: Page, site: tuple[str, Answers]) -> None:
    ask(page)
    titles = rows(page).locator(".title").all_inner_texts()[:3]
    for at in range(3):
        rows(page).nth(at).get_by_role("button", name="to the playlist").click()
    expect(rows(page).first.get_by_role("button", name="is in the playlist")).to_be_visible()
    assert playlist_of(page) == titles
    up = page.get_by_role("button", name=f"Move The Dub Trio - {titles[2]} up")
    up.focus()
    page.keyboard.press("Enter")
    expect(up).to_be_focused()
    page.keyboard.press("Enter")
    assert playlist_of(page) == [titles[2], titles[0], titles[1]]
    expect(page.locator("#live")).to_contain_text("is now 1 of 3")
    page.get_by_role("button", name=f"Remove The Dub Trio - {titles[0]}").click()
    assert playlist_of(page) == [titles[2], titles[1]]
    keep(page, "playlist")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename == "vibe-search.m3u8"
    names = [f"The Dub Trio - {title}" for title in (titles[2], titles[1])]
    assert site[1].asked[-1] == ("playlist", {"these": names})
    assert Path(download.value.path()).read_bytes() == b"#EXTM3U\n/music/one.ogg\n"
    refuse(page, "**/playlist", 503, {"error": "the bundle's files fail", "songs": []})
    page.get_by_role("button", name="Download").click()
    problem = page.locator("#playlist-problem")
    expect(problem.get_by_role("alert")).to_contain_text("the bundle's files fail")
    page.unroute("**/playlist")
    with page.expect_download():
        problem.get_by_role("button", name="Try again").click()
    expect(problem).to_be_empty()
    page.get_by_role("button", name="Clear").click()
    assert playlist_of(page) == []


def test_a_playlist_from_one_song_to_another(page: Page, site: tuple[str, Answers]) -> None:
    page.get_by_label("From").fill("dub no. 1")
    expect(page.locator(".suggestions li").first).to_be_visible()
    page.get_by_label("From").press("ArrowDown")
    page.get_by_label("From").press("Enter")
    page.get_by_label("To", exact=True).fill("waltz no. 2")
    page.locator("#way-n").fill("4")
    page.get_by_role("button", name="Make").click()
    expect(page.locator("#playlist-songs .song")).to_have_count(4)
    asked = {"from": "The Dub Trio - Dub No. 1", "to": "waltz no. 2", "n": 4}
    assert site[1].asked[-1] == ("playlist", asked)
    songs = playlist_names(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    assert Path(download.value.path()).read_bytes() == b"#EXTM3U\n/music/one.ogg\n"
    assert site[1].asked[-1] == ("playlist", {"these": songs})
    page.get_by_role("button", name="Go on from these").click()
    expect(page.locator("#playlist-songs .song")).to_have_count(6)
    more = site[1].asked[-1][1]
    assert (len(more["songs"]), more["n"], more["exclude"]) == (4, 5, more["songs"])
    refuse(page, "**/playlist", 404, {"error": "no song is named like 'y'", "suggestions": []})
    page.get_by_role("button", name="Make").click()
    expect(page.locator("#playlist-problem")).to_contain_text("No song by that name")
    expect(page.locator("#playlist-songs .song")).to_have_count(6)


def test_what_may_be_there_twice(page: Page, site: tuple[str, Answers]) -> None:
    twins = page.locator("#twins")
    before = len(site[1].asked)
    twins.get_by_text("What may be here twice").click()
    pairs = twins.locator(".twins-pair")
    expect(pairs).to_have_count(2)  # past the empty page
    assert site[1].asked[before:] == [("pairs", 0), ("pairs", 1), ("pairs", 2)]
    expect(pairs.nth(0)).to_contain_text("Very close in sound")
    expect(pairs.nth(1)).to_contain_text("Remastered")
    expect(twins).to_contain_text("That is all")
    expect(page.locator("#live")).to_have_text("2 pairs found")
    keep(page, "twins")
    name = pairs.nth(1).get_by_role("link").last
    title = name.locator(".title").inner_text()
    name.click()
    expect(page.locator("#results-title")).to_contain_text(title)


def test_what_may_be_there_twice_is_not_answered(page: Page) -> None:
    refuse(page, "**/similar-pairs*", 503, {"error": "the bundle's files fail"})
    page.get_by_text("What may be here twice").click()
    twins = page.locator("#twins")
    expect(twins.get_by_role("alert")).to_contain_text("the bundle's files fail")
    page.unroute("**/similar-pairs*")
    twins.get_by_role("button", name="Try again").click()
    expect(twins.locator(".twins-pair")).to_have_count(2)
    expect(twins.get_by_role("alert")).to_have_count(0)


def test_songs_play_one_at_a_time(browser: Browser) -> None:
    tone = Tone()
    with served(page_app(tone=tone)[0]) as address, page_at(browser, address) as page:
        ask(page)
        play = rows(page).nth(0).locator(".icon-play")
        name = play.get_attribute("aria-label").removeprefix("Play ")
        play.focus()
        page.keyboard.press("Enter")
        player = page.get_by_role("region", name="Player")
        expect(player).to_contain_text(name)
        stop = rows(page).nth(0).get_by_role("button", name=f"Stop {name}")
        expect(stop).to_be_focused()
        assert page.evaluate("document.getElementById('audio').paused") is False
        keep(page, "playing")
        rows(page).nth(1).locator(".icon-play").click()
        expect(player).not_to_contain_text(name)
        expect(rows(page).locator(".icon-stop")).to_have_count(1)
        page.keyboard.press("Escape")
        expect(player).to_be_hidden()
        rows(page).nth(0).locator(".icon-play").click()
        expect(player).to_be_visible()
        expect(player).to_be_hidden()  # a second later, at its end
        assert tone.asked[0] == name
        assert len(set(tone.asked)) == 2


def test_a_song_that_cannot_be_played_says_so(browser: Browser) -> None:
    with served(page_app(tone=Tone())[0]) as address, page_at(browser, address) as page:
        page.route("**/previews*", lambda route: route.fulfill(status=404, body="{}"))
        ask(page)
        play = rows(page).nth(0).locator(".icon-play")
        name = play.get_attribute("aria-label").removeprefix("Play ")
        play.click()
        player = page.get_by_role("region", name="Player")
        expect(player).to_contain_text(f"{name} cannot be played")
        expect(page.locator("#live")).to_contain_text("cannot be played")
        expect(rows(page).locator(".icon-stop")).to_have_count(0)
        player.get_by_role("button", name="Stop").click()
        expect(player).to_be_hidden()
        page.unroute("**/previews*")
        rows(page).nth(1).locator(".icon-play").click()
        expect(player).not_to_contain_text("cannot")
        expect(player.get_by_role("progressbar")).to_be_visible()
