"""The page for everybody: axe-core finds nothing, dark and light, on a phone, without motion."""

from __future__ import annotations

import pytest

pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed")
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser import DESK, PHONE, keep, needs_chromium, page_at
from tests.pages import Answers

pytestmark = needs_chromium

LOOKS = {
    "light": {"viewport": DESK, "color_scheme": "light"},
    "dark": {"viewport": DESK, "color_scheme": "dark"},
    "phone": {"viewport": PHONE, "color_scheme": "light", "has_touch": True, "is_mobile": True},
    "phone-dark": {"viewport": PHONE, "color_scheme": "dark", "has_touch": True, "is_mobile": True},
}


def assert_accessible(page: Page) -> None:
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    assert [
        (one["id"], [node["html"] for node in one["nodes"]], one["nodes"][0]["failureSummary"])
        for one in found
    ] == []


def assert_fits(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("look", LOOKS)
def test_everybody_can_use_it(browser: Browser, site: tuple[str, Answers], look: str) -> None:
    with page_at(browser, site[0], **LOOKS[look], reduced_motion="reduce") as page:
        expect(page.locator(".begin-songs a").first).to_be_visible()
        assert_accessible(page)
        assert_fits(page)
        keep(page, f"{look}-empty")
        page.locator("#song").press_sequentially("dub")
        expect(page.locator(".suggestions li").first).to_be_visible()
        page.locator("#song").press("ArrowDown")
        assert_accessible(page)
        keep(page, f"{look}-suggestions")
        page.locator("#song").press("Enter")
        songs = page.locator("#results-body .song")
        expect(songs.first).to_be_visible()
        for at in range(3):
            songs.nth(at).get_by_role("button", name="to the playlist").click()
        page.get_by_text("Refine", exact=True).click()
        expect(page.locator("#map-colour")).to_have_value("likeness")
        assert_accessible(page)
        assert_fits(page)
        keep(page, f"{look}-results")
        for tab in ("A sound", "Words"):
            page.get_by_role("tab", name=tab).click()
            assert_accessible(page)
            keep(page, f"{look}-{tab.removeprefix('A ').lower()}")
        page.get_by_role("tab", name="A song").click()
        page.fill("#song", "purple rain")
        page.locator("#song").press("Enter")
        expect(page.get_by_role("alert")).to_be_visible()
        assert_accessible(page)
        assert_fits(page)


def test_the_theme_is_the_systems_until_one_is_chosen(
    browser: Browser, site: tuple[str, Answers]
) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    with page_at(browser, site[0], color_scheme="dark") as page:
        theme = page.get_by_role("button", name="Dark colours")
        expect(theme).to_have_attribute("aria-pressed", "true")
        dark = page.evaluate(paper)
        theme.click()
        expect(theme).to_have_attribute("aria-pressed", "false")
        light = page.evaluate(paper)
        assert dark != light
        page.reload()
        assert page.evaluate(paper) == light
        page.emulate_media(color_scheme="light")
        theme.click()
        assert page.evaluate(paper) == dark


def test_no_motion_for_those_who_want_none(browser: Browser, site: tuple[str, Answers]) -> None:
    with page_at(browser, site[0], reduced_motion="reduce") as page:
        expect(page.locator("#map-points")).to_have_attribute("data-seen", "60")
        page.route("**/recommend", lambda route: None)
        page.fill("#song", "Dub")
        page.keyboard.press("Enter")
        expect(page.locator(".ghost").first).to_be_visible()
        keep(page, "loading")
        assert page.evaluate("document.getAnimations().length") == 0


def test_the_first_tab_skips_to_the_results(browser: Browser, site: tuple[str, Answers]) -> None:
    with page_at(browser, site[0]) as page:
        page.keyboard.press("Tab")
        skip = page.get_by_role("link", name="Skip to the results")
        expect(skip).to_be_focused()
        expect(skip).to_be_in_viewport()
