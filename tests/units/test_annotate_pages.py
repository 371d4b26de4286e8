"""What the pages of the annotation application hold, as HTML."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from vestige.units.annotate import pages
from vestige.units.annotations.answers import GROUPS

VISITOR = pages.Visitor("Ada <b>", "secret", done=3, asked=7)
SHEET = pages.Sheet("17", "run/Ada/pool5/4", tuple(str(k) for k in range(60)))
EVIL = "<script>alert(1)</script>"


class _Tags(HTMLParser):
    """All start tags with their attributes, in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def inputs(self, name: str) -> list[dict[str, str | None]]:
        return [attrs for tag, attrs in self.found if tag == "input" and attrs.get("name") == name]


def test_task_offers_every_picture_and_every_group() -> None:
    tags = _Tags(pages.task(VISITOR, SHEET))
    assert [each["value"] for each in tags.inputs("marked")] == [str(k) for k in range(60)]
    assert [each["value"] for each in tags.inputs("group")] == list(GROUPS)
    assert [attrs["src"] for tag, attrs in tags.found if tag == "img" and "src" in attrs] == [
        f"/picture/{k}" for k in range(60)
    ]
    assert {each["value"] for each in tags.inputs("csrf")} == {"secret"}
    assert {each["value"] for each in tags.inputs("ticket")} == {"17"}


def test_later_try_keeps_what_was_said_and_does_not_tell_which() -> None:
    sheet = pages.Sheet("17", "draft", SHEET.pictures, 2, 3, "lamps", "object", ("5", "8"))
    tags = _Tags(pages.task(VISITOR, sheet))
    assert [each["value"] for each in tags.inputs("marked") if "checked" in each] == ["5", "8"]
    assert [each["value"] for each in tags.inputs("group") if "checked" in each] == ["object"]
    assert [each["value"] for each in tags.inputs("concept")] == ["lamps"]
    assert [attrs["id"] for tag, attrs in tags.found if attrs.get("role") == "alert"] == ["notice", "problem"]


@pytest.mark.parametrize(
    "page",
    [
        pages.welcome(pages.Visitor(EVIL, EVIL), message=EVIL),
        pages.task(
            pages.Visitor(EVIL, EVIL), pages.Sheet(EVIL, EVIL, (EVIL,), 2, 3, EVIL, EVIL, (EVIL,)), message=EVIL
        ),
        pages.rest(pages.Visitor(EVIL, EVIL), waiting=1, skipped=2, message=EVIL),
        pages.trouble(EVIL, EVIL),
    ],
)
def test_text_is_escaped(page: str) -> None:
    assert EVIL not in page
    assert [attrs.get("src") for tag, attrs in _Tags(page).found if tag == "script"] in ([], ["/static/annotate.js"])


def test_pages_load_nothing_from_elsewhere() -> None:
    tags = _Tags(pages.task(VISITOR, SHEET)).found
    addresses = [attrs[key] for _, attrs in tags for key in ("src", "href", "action") if key in attrs]
    assert addresses
    assert all(str(each).startswith("/") and not str(each).startswith("//") for each in addresses)
    static = [str(each) for each in addresses if str(each).startswith("/static/")]
    assert len(static) == 4
    assert all(pages.asset(each.removeprefix("/static/")) for each in static)


def test_assets_are_the_package_s_own() -> None:
    assert pages.asset("../templates/base.html") is None
    assert pages.asset("nothing.css") is None
