"""The page on data names every kind of data set and every option, and the markup it shows can be read."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from vestige.datasets.opening import KINDS, kind_named
from vestige.datasets.reading import PICTURES
from vestige.markup import SHIPPED, markup_from_json

PAGE = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_section_with_its_options(kind: str) -> None:
    sections = re.findall(rf"^## `{re.escape(kind)}:(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert sections
    for option in (*kind_named(kind).options, *(kind_named(kind).splits or ())):
        assert re.search(rf"\b{option}\b", " ".join(sections)), option


def test_markups_and_endings_are_named() -> None:
    assert all(f"`{name}`" in PAGE for name in SHIPPED)
    assert all(f"`{ending}`" in PAGE for ending in PICTURES)


def test_the_markup_that_is_shown_can_be_read() -> None:
    (shown,) = re.findall(r'^    (\{"name".*?\}\})$', PAGE, re.MULTILINE | re.DOTALL)
    assert markup_from_json(json.loads(shown), "data.md").mirror == (1, 0, 2)
