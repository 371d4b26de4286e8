"""The annotation application in a real browser: Debian's Chromium, which continuous integration installs."""

from __future__ import annotations

import io
import os
import re
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path

import pytest
import uvicorn
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from vestige.units.annotate.access import Access
from vestige.units.annotate.app import Site, make_app
from vestige.units.annotate.store import Said, Shown, Store, open_store

CHROMIUM = shutil.which("chromium") or ""
TOP, PLANTED = 57, (4, 20, 59)
SHOWN = tuple(range(100, 160))

pytestmark = pytest.mark.skipif(
    not CHROMIUM and "CI" not in os.environ, reason="needs Chromium, as of `apt-get install chromium`"
)


class _Pictures:
    """Grey squares, darker from place to place; the whole pictures are larger."""

    def tile(self, layer: str, unit: int, place: int) -> bytes | None:  # noqa: ARG002
        return _jpeg(96, 40 + 3 * place)

    def whole(self, row: int) -> bytes | None:
        return _jpeg(320, row)


@cache
def _jpeg(side: int, grey: int) -> bytes:
    stream = io.BytesIO()
    Image.new("L", (side, side), grey).save(stream, "JPEG")
    return stream.getvalue()


class Served:
    """The application on a port of its own, which can be stopped and started again."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.access = Access(store.secret, guarded=False)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        app = make_app(Site("drawn", self.store, _Pictures(), self.access))
        self._server = uvicorn.Server(uvicorn.Config(app, port=self.port, log_level="error", lifespan="off"))
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive()
            time.sleep(0.01)

    def stop(self) -> None:
        self._server.should_exit = self._server.force_exit = True
        self._thread.join()

    def join(self, page: Page, name: str) -> None:
        page.goto(f"{self.address}/join/{self.access.personal(name, self.store.invitations.invite(name))}")
        expect(page.locator("#tiles input")).to_have_count(60)


def ask(store: Store, units: int) -> None:
    planted = tuple(SHOWN[place] for place in PLANTED)
    store.ask([Shown("pool5", unit, SHOWN, planted) for unit in range(units)])


def answer(store: Store, name: str, words: str, group: str) -> None:
    """As if somebody had answered the unit that is next for them."""
    handed = store.take(name)
    assert handed is not None
    store.submit(name, handed.id, Said(1, words, group, PLANTED))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=20_000)  # of a busy machine; on one with time to spare all of it is there at once
    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    store = open_store(tmp_path / "answers.sqlite", workers=2)
    ask(store, 9)
    running = Served(store)
    yield running
    running.stop()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens a page in a browser of its own, as another person has it; no script of it may fail."""
    contexts: list[BrowserContext] = []
    failures: list[str] = []

    def opened(**options: object) -> Page:
        context = browser.new_context(**options)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: failures.append(str(error)))
        page.on("dialog", lambda dialog: (failures.append(dialog.message), dialog.dismiss()))
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not failures


def tile(page: Page, place: int):
    return page.locator("#tiles input").nth(place)


def marked(page: Page) -> list[int]:
    found = page.eval_on_selector_all(
        "#tiles input", "boxes => boxes.flatMap((box, place) => box.checked ? [place] : [])"
    )
    return list(found)


def tiles_of(html: str) -> list[str]:
    """What is written of each tile, but for its mark and for which of them has the focus."""
    return re.findall(r"<li class=.*?</li>", re.sub(r' (checked|tabindex)="[^"]*"', "", html), flags=re.DOTALL)


def fill(page: Page, words: str, group: str, places: Sequence[int] = PLANTED) -> None:
    """All three steps by mouse."""
    page.fill("#concept", words)
    page.check(f"input[value='{group}']")
    for place in places:
        tile(page, place).click()


def columns_of(page: Page) -> int:
    tops = page.eval_on_selector_all("#tiles .tile", "all => all.map((each) => each.getBoundingClientRect().top)")
    return int(tops.count(tops[0]))


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def test_unit_is_annotated_by_keyboard_alone(served: Served, visit: Callable[..., Page]) -> None:
    page = visit(viewport={"width": 1280, "height": 800})
    page.goto(served.address)
    press(page, "Tab")
    page.keyboard.type("Ada")
    press(page, "Enter")
    expect(page.locator("#undo")).to_be_visible()  # the script has run, and keys mean something
    expect(page.locator("#concept")).to_be_focused()
    page.keyboard.type("desk lamps")
    press(page, "Enter")
    expect(tile(page, 0)).to_be_focused()
    press(page, *["ArrowRight"] * 4, "Space")  # 4
    press(page, "ArrowDown", "ArrowRight", "ArrowRight", "ArrowRight", "ArrowRight", "Space")  # 12 columns: 20
    press(page, "End", "Space", "5")  # 59, and the fifth kind
    assert marked(page) == [4, 20, 59]
    press(page, "Tab")
    expect(page.locator("input[value=object]")).to_be_focused()
    press(page, "Tab")
    expect(page.locator("#send")).to_be_focused()
    loaded: list[str] = []
    page.on("request", lambda request: loaded.append(request.url))
    press(page, "Enter")
    expect(page.locator(".news")).to_be_visible()
    assert [url for url in loaded if "/task" in url] == [f"{served.address}/task?said=kept"]
    (answer,) = served.store.answers()
    assert answer.seconds is not None
    assert answer.seconds > 0
    assert (answer.annotator, answer.concept, answer.group, answer.passed) == ("Ada", "desk lamps", "object", True)
    assert answer.marked == tuple(SHOWN[place] for place in PLANTED)
    assert answer.precision == 1
    expect(page.locator("#concept")).to_have_value("")
    assert marked(page) == []
    assert page.evaluate("localStorage.length") == 0


def test_unit_is_annotated_by_mouse(served: Served, visit: Callable[..., Page]) -> None:
    page = visit()
    served.join(page, "Grace")
    page.click("#concept")
    page.keyboard.type("blue")
    for place in (4, 20, 59, 0):
        tile(page, place).click()
    tile(page, 2).click(modifiers=["Shift"])  # from 0 to 2
    page.locator(".choice", has_text="color").click()
    page.click("#send")
    expect(page.locator(".news")).to_be_visible()
    (answer,) = served.store.answers()
    assert answer.marked == tuple(SHOWN[place] for place in (0, 1, 2, 4, 20, 59))
    assert (answer.group, answer.passed, answer.precision) == ("color", True, pytest.approx(54 / 57))


def test_unit_is_annotated_by_touch(served: Served, visit: Callable[..., Page]) -> None:
    page = visit(viewport={"width": 400, "height": 800}, has_touch=True, is_mobile=True)
    served.join(page, "Mary")
    page.locator("#concept").tap()
    page.keyboard.type("circles")
    for place in PLANTED:
        tile(page, place).tap()
    page.locator(".larger").nth(7).tap()
    page.locator("#viewer [data-mark]").tap()
    page.locator("#viewer [data-close]").tap()
    assert marked(page) == [4, 7, 20, 59]
    page.locator(".choice", has_text="shape").tap()
    page.locator("#send").tap()
    expect(page.locator(".news")).to_be_visible()
    (answer,) = served.store.answers()
    assert (answer.concept, answer.group, answer.precision) == ("circles", "shape", pytest.approx(56 / 57))


def test_failed_gate_asks_to_look_again_without_telling_which(served: Served, visit: Callable[..., Page]) -> None:
    page = visit()
    served.join(page, "Ada")
    page.fill("#concept", "stairs")
    page.check("input[value=object]")
    tile(page, 4).click()
    before = page.content()
    for attempt in (2, 3):
        page.click("#send")
        expect(page.locator("#notice")).to_contain_text(f"{attempt} of 3")
        expect(page.locator("#notice")).to_be_focused()
        assert page.input_value("#concept") == "stairs"
        assert marked(page) == [4]
        assert tiles_of(page.content()) == tiles_of(before)
    page.click("#send")
    expect(page.locator(".news")).to_be_visible()
    expect(page.locator("#notice")).to_have_count(0)
    assert [(each.tries, each.passed) for each in served.store.every_try()] == [(1, False), (2, False), (3, False)]
    (answer,) = served.store.answers()
    assert (answer.tries, answer.passed) == (3, False)


def test_unsent_work_survives_a_reload(served: Served, visit: Callable[..., Page]) -> None:
    page = visit()
    served.join(page, "Ada")
    page.fill("#concept", "a tower")
    for place in (3, 30):
        tile(page, place).click()
    page.check("input[value=scene]")
    page.reload()
    expect(page.locator("#count")).to_have_text("2 marked")
    assert marked(page) == [3, 30]
    assert page.input_value("#concept") == "a tower"
    assert page.is_checked("input[value=scene]")
    other = page.context.new_page()
    served.join(other, "Grace")
    assert other.input_value("#concept") == ""


def test_nothing_is_lost_while_the_server_is_away(served: Served, visit: Callable[..., Page]) -> None:
    page = visit()
    served.join(page, "Ada")
    fill(page, "water", "texture/material")
    served.stop()
    page.click("#send")
    expect(page.locator("#problem")).not_to_be_empty()
    assert page.input_value("#concept") == "water"
    served.start()
    page.reload()
    assert marked(page) == sorted(PLANTED)
    page.click("#send")
    expect(page.locator(".news")).to_be_visible()
    assert [each.concept for each in served.store.answers()] == ["water"]


def test_two_browsers_send_one_unit_at_once(served: Served, visit: Callable[..., Page]) -> None:
    ask(served.store, 1)
    pages = [visit(), visit()]
    for page, name in zip(pages, ("Ada", "Grace"), strict=True):
        served.join(page, name)
        fill(page, f"what {name} sees", "object")
    for page in pages:
        page.evaluate("setTimeout(() => document.getElementById('send').click())")
    for page in pages:
        expect(page.locator("h1")).to_contain_text("All done")
    assert [each.concept for each in served.store.answers()] == ["what Ada sees", "what Grace sees"]


def test_second_window_learns_that_a_unit_was_sent(served: Served, visit: Callable[..., Page]) -> None:
    first = visit()
    served.join(first, "Ada")
    second = first.context.new_page()
    served.join(second, "Ada")
    for page, words in ((first, "one"), (second, "two")):
        page.bring_to_front()
        fill(page, words, "object")
        page.click("#send")
        expect(first.locator(".news")).to_be_visible()
    expect(second.locator("#problem a")).to_be_visible()
    assert [each.concept for each in served.store.answers()] == ["one"]


def test_text_is_shown_as_text(served: Served, visit: Callable[..., Page]) -> None:
    evil, name = "<script>alert(1)</script>", "<img src=x onerror=alert(2)>"
    page = visit()
    page.goto(served.address)
    page.fill("#name", name)
    page.click("button")
    page.fill("#concept", evil)
    page.check("input[value=object]")
    tile(page, 4).click()
    page.click("#send")
    expect(page.locator("#notice")).to_be_visible()
    assert page.input_value("#concept") == evil
    assert page.locator(".who").inner_text() == name
    for place in PLANTED[1:]:
        tile(page, place).click()
    page.click("#send")
    expect(page.locator(".news")).to_be_visible()
    expect(page.locator("#undo")).to_be_visible()
    page.locator("#concept").press_sequentially("<scr")
    expect(page.locator("#concepts [role=option]")).to_have_text([evil])
    page.goto(f"{served.address}/overview")
    assert evil in page.locator("main").inner_text()
    assert name in page.locator("main").inner_text()
    assert page.locator("script, img").count() == 0


def test_range_grows_and_shrinks_and_is_undone_at_once(served: Served, visit: Callable[..., Page]) -> None:
    page = visit(viewport={"width": 1280, "height": 800})
    served.join(page, "Ada")
    tile(page, 10).focus()
    press(page, "Space", "ArrowLeft", "ArrowLeft", "ArrowLeft")
    press(page, "Shift+ArrowRight", "Shift+ArrowRight", "Shift+ArrowDown")
    assert marked(page) == list(range(7, 22))
    press(page, "Shift+ArrowUp")
    assert marked(page) == [7, 8, 9, 10]
    press(page, "Control+z")
    assert marked(page) == [10]
    press(page, "Control+z")
    assert marked(page) == []
    expect(page.locator("#undo")).to_be_disabled()
    tile(page, 5).click()
    tile(page, 8).click(modifiers=["Shift"])
    assert marked(page) == [5, 6, 7, 8]
    tile(page, 6).click()
    tile(page, 7).click(modifiers=["Shift"])  # a range that begins by unmarking unmarks
    assert marked(page) == [5, 8]
    page.click("#undo")
    page.click("#undo")
    assert marked(page) == [5, 6, 7, 8]


def test_earlier_concepts_are_offered_and_taken_by_keys(served: Served, visit: Callable[..., Page]) -> None:
    for words in ("cars", "castle", "blue"):
        answer(served.store, "Grace", words, "object")
    page = visit()
    served.join(page, "Ada")
    box, options = page.locator("#concept"), page.locator("#concepts [role=option]")
    box.press_sequentially("ca")
    expect(options).to_have_text(["cars", "castle"])
    assert box.get_attribute("aria-expanded") == "true"
    press(page, "ArrowDown", "ArrowDown")
    expect(options.nth(1)).to_have_attribute("aria-selected", "true")
    assert box.get_attribute("aria-activedescendant") == options.nth(1).get_attribute("id")
    press(page, "Enter")
    expect(box).to_have_value("castle")
    expect(page.locator("#concepts")).to_be_hidden()
    box.fill("c")
    expect(options).to_have_count(2)
    press(page, "Escape")
    expect(page.locator("#concepts")).to_be_hidden()
    expect(box).to_have_value("c")


def test_larger_picture_is_looked_at_and_marked_by_keys(served: Served, visit: Callable[..., Page]) -> None:
    page = visit()
    served.join(page, "Ada")
    tile(page, 2).focus()
    press(page, "Enter")
    viewer = page.locator("#viewer")
    expect(viewer).to_be_visible()
    press(page, "ArrowRight", "Space")
    assert marked(page) == [3]
    expect(viewer.locator("img")).to_have_js_property("naturalWidth", 96)
    press(page, "w")
    expect(viewer.locator("img")).to_have_js_property("naturalWidth", 320)
    press(page, "Escape")
    expect(viewer).to_be_hidden()
    expect(tile(page, 3)).to_be_focused()
    page.locator(".larger").nth(8).click()
    expect(viewer).to_be_visible()
    viewer.locator("h2").click()
    viewer.click(position={"x": 3, "y": 3})
    expect(viewer).to_be_visible()
    page.mouse.click(5, 300)  # beside it
    expect(viewer).to_be_hidden()


def test_all_pictures_are_made_larger_and_stay_so(served: Served, visit: Callable[..., Page]) -> None:
    page = visit(viewport={"width": 1280, "height": 800})
    served.join(page, "Ada")
    page.click("#size")
    assert columns_of(page) == 6
    tile(page, 2).focus()
    press(page, "ArrowDown")
    expect(tile(page, 8)).to_be_focused()
    page.reload()
    assert columns_of(page) == 6
    page.get_by_role("button", name="Large", pressed=True).click()
    assert columns_of(page) == 12


def test_skipped_units_come_back_when_they_are_asked_for(served: Served, visit: Callable[..., Page]) -> None:
    page = visit()
    ask(served.store, 2)
    served.join(page, "Ada")
    for _ in range(2):
        with page.expect_navigation():
            page.click("#skip-button")
    page.get_by_role("link", name="Take up what you skipped").click()
    expect(page.locator("#tiles input")).to_have_count(60)


@pytest.mark.parametrize(
    ("width", "height", "columns", "scheme"),
    [(400, 800, 4, "light"), (640, 400, 5, "dark"), (1280, 800, 12, "dark"), (1920, 1080, 12, "light")],
)
def test_pages_fit_narrow_wide_and_enlarged_screens(
    served: Served, visit: Callable[..., Page], width: int, height: int, columns: int, scheme: str
) -> None:
    """640 by 400 is what a screen of 1280 by 800 has at 200 % zoom."""
    page = visit(viewport={"width": width, "height": height}, color_scheme=scheme)
    served.join(page, "Ada")
    assert columns_of(page) == columns
    for place in (59, 30, 0):  # what has the focus is not hidden by what stays in place
        tile(page, place).focus()
        seen = tile(page, place).evaluate(
            """(box) => {
                const {left, top, width, height} = box.getBoundingClientRect();
                return [0.02, 0.5, 0.98].every((share) => document.elementFromPoint(
                    left + share * width, top + share * height) === box);
            }"""
        )
        assert seen
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert colour == {"light": "rgb(255, 255, 255)", "dark": "rgb(21, 24, 28)"}[scheme]
    for box in page.locator("button:visible, .choice:visible").all():
        size = box.bounding_box()
        assert size is not None
        assert min(size["width"], size["height"]) >= 24  # WCAG 2.2, 2.5.8
    for address in ("/task?said=failed", "/overview"):
        page.goto(served.address + address)
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_everything_has_a_name_for_screen_readers(served: Served, visit: Callable[..., Page]) -> None:
    page = visit()
    served.join(page, "Ada")
    expect(page.get_by_role("combobox", name="What do most of these pictures have in common?")).to_be_visible()
    grid = page.get_by_role("group", name="Mark the pictures that do not fit")
    assert grid.get_by_role("checkbox").count() == 60
    expect(grid.get_by_role("checkbox", name="Picture 60 does not fit")).to_be_visible()
    kinds = page.get_by_role("group", name="Which kind of thing is it?")
    assert kinds.get_by_role("radio").count() == 6
    expect(page.get_by_role("progressbar", name="0 of 9 done")).to_be_visible()
    assert page.locator("#tiles [tabindex='0']").count() == 1
    unnamed = page.evaluate(
        """[...document.querySelectorAll('button, input:not([type=hidden]), a')].filter((each) =>
            !(each.textContent.trim() || each.ariaLabel || each.labels?.length)).length"""
    )
    assert unnamed == 0


def test_form_works_without_scripts(served: Served, visit: Callable[..., Page]) -> None:
    page = visit(java_script_enabled=False)
    served.join(page, "Ada")
    page.fill("#concept", "grass")
    for place in PLANTED:
        tile(page, place).check()
    page.locator("input[value='texture/material']").check()
    page.click("#send")
    expect(page.locator(".news")).to_be_visible()
    (answer,) = served.store.answers()
    assert (answer.concept, answer.group, answer.passed) == ("grass", "texture/material", True)


def test_overview_tells_how_far_people_are_and_agree(served: Served, visit: Callable[..., Page]) -> None:
    ask(served.store, 1)
    for name, words, group in (("Ada", "cars", "object"), ("Grace", "Cars", "scene")):
        answer(served.store, name, words, group)
    page = visit()
    page.goto(f"{served.address}/overview")
    cells = page.locator("main table").nth(0).locator("tbody tr").all_inner_texts()
    assert [row.split() for row in cells] == [["pool5", "1", "1", "2", "100.0", "%"]]
    people = page.locator("main table").nth(1).locator("tbody th").all_inner_texts()
    assert people == ["Ada", "Grace"]
    with page.expect_download() as export:
        page.get_by_role("link", name="Export as CSV").click()
    rows = Path(export.value.path()).read_text(encoding="utf-8").splitlines()
    assert len(rows) == 3
