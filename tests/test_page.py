"""The page at ``/``: asking by song, by sound and by words, refining, errors, the playlist."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("playwright", reason="playwright is not installed")
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser import below, chromium, keep, needs_chromium, page_at, served
from tests.pages import EVIL, Answers, Tone, page_app

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def site() -> Iterator[tuple[str, Answers]]:
    app, answers = page_app()
    with served(app) as address:
        yield address, answers


@pytest.fixture
def page(browser: Browser, site: tuple[str, Answers]) -> Iterator[Page]:
    with page_at(browser, site[0]) as found:
        yield found


def refuse(page: Page, path: str, status: int, body: Any, headers: dict[str, str] = {}) -> None:  # noqa: B006
    """From now on ``path`` is answered so."""
    content = body if isinstance(body, str) else json.dumps(body)
    page.route(path, lambda route: route.fulfill(status=status, body=content, headers=headers))


def rows(page: Page) -> Any:
    return page.locator("#results-body .song")


def ask(page: Page, song: str = "Dub No. 3") -> None:
    page.fill("#song", song)
    page.keyboard.press("Enter")
    expect(rows(page).first).to_be_visible()


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


def playlist_of(page: Page) -> list[str]:
    return page.locator("#playlist-songs .title").all_inner_texts()


def test_a_playlist_by_hand(page: Page) -> None:
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
    assert Path(download.value.path()).read_text("utf-8") == "#EXTM3U\n" + "".join(
        f"#EXTINF:-1,{name}\n{name}\n" for name in names
    )
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
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    assert Path(download.value.path()).read_bytes() == b"#EXTM3U\n/music/one.ogg\n"
    assert site[1].asked[-1] == ("playlist", asked)
    page.get_by_role("button", name="Go on from these").click()
    expect(page.locator("#playlist-songs .song")).to_have_count(6)
    more = site[1].asked[-1][1]
    assert (len(more["songs"]), more["n"], more["exclude"]) == (4, 5, more["songs"])
    refuse(page, "**/playlist", 404, {"error": "no song is named like 'y'", "suggestions": []})
    page.get_by_role("button", name="Make").click()
    expect(page.locator("#playlist-problem")).to_contain_text("No song by that name")
    expect(page.locator("#playlist-songs .song")).to_have_count(6)


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
