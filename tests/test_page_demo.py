"""What a newcomer does with ``make demo``: every way to ask, with the real model, in a browser;
from the server itself, and from Lambda below a prefix."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.request import url2pathname

import pytest

pytest.importorskip("playwright", reason="playwright is not installed")
from playwright.sync_api import Browser, Page, expect

from embed.catalogue import Catalogue
from tests.browser import below, keep, needs_chromium, page_at, served
from tests.gateway import behind_gateway
from tests.handlers import ROOT, serving
from tests.services import app_of

pytestmark = needs_chromium

WAYS = ("server", "lambda")

SLOW_MS = 60_000
"""For what is asked by sound or words: the first starts a worker and loads the model."""


@pytest.fixture(scope="module", params=WAYS)
def demo(
    request: pytest.FixtureRequest, sample_bundle: Path, sample_music: Path
) -> Iterator[tuple[str, str]]:
    """Which way, and the page's address."""
    with ExitStack() as stack:
        if request.param == "server":
            arguments = ("--bundle", str(sample_bundle), "--port", "0")
            running = serving(*arguments, VIBE_MUSIC_URL=sample_music.as_uri())
            _, host, port, _line = stack.enter_context(running)
            yield request.param, f"http://{host}:{port}/"
        else:
            gateway = stack.enter_context(behind_gateway(app_of(sample_bundle)))
            app = below("/music", gateway)
            yield request.param, stack.enter_context(served(app)) + "music/"


@pytest.fixture
def page(browser: Browser, demo: tuple[str, str]) -> Iterator[Page]:
    with page_at(browser, demo[1]) as found:
        found.set_default_timeout(SLOW_MS)
        yield found


@pytest.fixture(scope="module")
def songs(sample_bundle: Path) -> dict[str, str]:
    """Where each song lies, by name."""
    catalogue = Catalogue(sample_bundle / "catalogue.sqlite")
    rows = range(len(catalogue))
    return {song.name: song.path for song in catalogue.songs_at(rows)}


def answer(page: Page) -> list[str]:
    """The names of the songs answered."""
    links = page.locator("#results-body .song-name")
    expect(links.first).to_be_visible(timeout=SLOW_MS)
    return [" - ".join(reversed(one.split("\n"))) for one in links.all_inner_texts() if one.strip()]


def test_by_name_and_on_from_there(page: Page) -> None:
    page.locator("#song").press_sequentially("crooked")
    expect(page.locator(".suggestions li")).to_have_count(1)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    title = page.locator("#results-title")
    expect(title).to_have_text("Breakneck Foundry - Crooked Kite (Drum and Bass)")
    following = answer(page)[0]
    page.locator("#results-body .song-name").first.click()
    expect(title).to_have_text(following)
    assert following not in answer(page)


def test_by_a_sound(page: Page, songs: dict[str, str], sample_music: Path) -> None:
    page.get_by_role("tab", name="A sound").click()
    name, path = next(iter(songs.items()))
    page.locator("#file").set_input_files(sample_music / path)
    expect(page.locator("#results-title")).to_have_text(Path(path).name, timeout=SLOW_MS)
    assert answer(page)[0] == name
    expect(page.locator(".value").first).to_contain_text(re.compile(r"0\.99|1\.00"))


def test_by_what_is_no_sound(page: Page) -> None:
    page.get_by_role("tab", name="A sound").click()
    text = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no sound at all"}
    page.locator("#file").set_input_files(files=[text])
    alert = page.get_by_role("alert")
    expect(alert.get_by_role("heading")).to_have_text(
        "That could not be listened to", timeout=SLOW_MS
    )
    expect(alert.locator(".problem-said")).not_to_be_empty()


def test_by_words(page: Page) -> None:
    page.get_by_role("tab", name="Words").click()
    page.get_by_role("textbox", name="Sounds like").fill("fast drums")
    page.keyboard.press("Enter")
    expect(page.locator("#results-title")).to_have_text("“fast drums”", timeout=SLOW_MS)
    fast = answer(page)
    page.get_by_role("textbox", name="Sounds like").fill("slow ambient drone")
    page.keyboard.press("Enter")
    expect(page.locator("#results-title")).to_have_text("“slow ambient drone”", timeout=SLOW_MS)
    assert answer(page)[:3] != fast[:3]


def test_by_a_name_that_is_not_there(page: Page) -> None:
    page.fill("#song", "stairway to heaven")
    page.keyboard.press("Enter")
    alert = page.get_by_role("alert")
    expect(alert.get_by_role("heading")).to_have_text("No song by that name")
    alert.get_by_role("button").first.click()
    assert len(answer(page)) == 10


def test_a_playlist_that_a_player_opens(
    page: Page, demo: tuple[str, str], songs: dict[str, str]
) -> None:
    page.get_by_label("From").fill("crooked kite")
    page.get_by_label("To", exact=True).fill("distant lantern")
    page.locator("#way-n").fill("5")
    page.get_by_role("button", name="Make").click()
    listed = page.locator("#playlist-songs .song")
    expect(listed.first).to_contain_text("Crooked Kite")
    made = listed.count()
    assert made > 2
    expect(listed.nth(made - 1)).to_contain_text("Distant Lantern")
    page.get_by_role("button", name="Go on from these").click()
    expect(listed).to_have_count(made + 5)
    listed.nth(made).get_by_role("button", name="up").click()
    keep(page, f"demo-{demo[0]}-playlist")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    head, *lines = Path(download.value.path()).read_text("utf-8").splitlines()
    assert head == "#EXTM3U"
    names = [line.partition(",")[2] for line in lines[::2]]
    titles = listed.locator(".title").all_inner_texts()
    assert [name.partition(" - ")[2] for name in names] == titles
    if demo[0] == "lambda":  # where the music is, it was not told
        assert lines[1::2] == [songs[name] for name in names]
        return
    files = [Path(url2pathname(line.removeprefix("file://"))) for line in lines[1::2]]
    assert all(file.is_file() for file in files)
    assert [file.name for file in files] == [Path(songs[name]).name for name in names]


def test_the_map_and_what_plays(page: Page, demo: tuple[str, str], songs: dict[str, str]) -> None:
    expect(page.locator("#map-points")).to_have_attribute("data-seen", str(len(songs)))
    page.get_by_role("application", name="Map of all songs").focus()
    page.keyboard.press("ArrowRight")
    title = page.locator("#map-tip strong").inner_text()
    page.keyboard.press("Enter")
    expect(page.locator("#results-title")).to_contain_text(title)
    expect(page.locator("#map-colour")).to_have_value("likeness")
    page.locator("#results-body .icon-play").first.click()
    expect(page.get_by_role("region", name="Player")).to_be_visible()
    for _ in range(100):
        if page.evaluate("document.getElementById('audio').currentTime") > 0.2:
            break
        page.wait_for_timeout(100)
    assert page.evaluate("document.getElementById('audio').duration") == pytest.approx(10, abs=0.1)
    assert page.evaluate("document.getElementById('audio').error") is None
    keep(page, f"demo-{demo[0]}-map")
    page.keyboard.press("Escape")
    expect(page.get_by_role("region", name="Player")).to_be_hidden()


def test_a_clip_too_long_for_lambda(page: Page, demo: tuple[str, str]) -> None:
    page.get_by_role("tab", name="A sound").click()
    clip = {"name": "long.wav", "mimeType": "audio/wav", "buffer": bytes(5_000_000)}
    page.locator("#file").set_input_files(files=[clip])
    title = page.get_by_role("alert").get_by_role("heading")
    expected = {"server": "That could not be listened to", "lambda": "That is too large"}
    expect(title).to_have_text(expected[demo[0]], timeout=SLOW_MS)


@pytest.mark.skipif(shutil.which("make") is None, reason="no make here")
def test_make_demo_tells_where_its_music_is(tmp_path: Path) -> None:
    folder = tmp_path / "a demo"
    done = subprocess.run(
        ["make", "-n", "demo", f"DEMO={folder}", "PY=python", "VENV=/nowhere"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "--previews" in done.stdout, done.stderr
    [line] = [one for one in done.stdout.splitlines() if one.startswith("VIBE_MUSIC_URL=")]
    assert "as_uri()" in line
