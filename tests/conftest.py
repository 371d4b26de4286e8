"""What every test shares: a cache of its own, one thread, and no hurry for hypothesis on a busy machine."""

import importlib.util
import os
import re
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported; pytest's workers have the other cores

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("vestige", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("vestige")


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    """Stores of the tests go to a folder of their own, and child processes find it, too."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VESTIGE_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session", autouse=True)
def small_figures():
    """Figures as PNG have a sixteenth of the pixels: coding them took longer than most measurements."""
    from vestige.report import style

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(style, "FIGURE_DPI", 50)
        yield


@pytest.fixture(scope="session")
def tiny():
    """The module ``features/tiny.py``: a tiny backbone and drawn crops."""
    spec = importlib.util.spec_from_file_location("tiny_features", Path(__file__).parent / "features" / "tiny.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def pytest_addoption(parser):
    parser.addoption("--fuzz", type=int, default=1, help="how many times as many damaged files to try as usual")
    parser.addoption("--golden", action="store_true", help="write the outlines of the tasks' pages anew")


@pytest.fixture(scope="session")
def fuzz(request):
    """How many times as many cases as usual."""
    return request.config.getoption("--fuzz")


@pytest.fixture(scope="session")
def golden():
    """Where the outlines of pages lie that were agreed on."""
    return Path(__file__).parent / "report" / "golden"


@pytest.fixture
def agreed(request, golden):
    """``agreed(task, run, cells="none")``: the run's page is as it was last agreed on."""
    from vestige.pages import report_page

    def check(task, run, *, cells="none"):
        found, path = list(outline(report_page([run]), cells)), golden / f"{task}.txt"
        if request.config.getoption("--golden"):
            path.write_text("\n".join(found) + "\n", encoding="utf-8")
        assert found == path.read_text(encoding="utf-8").splitlines()

    return check


def outline(page, cells):
    """The page without its prose.

    ``cells``: ``numbers`` as they are, ``words`` with each digit a 0, or ``none`` but how many rows there are.
    """
    from vestige.report.blocks import Cell, Gallery, Table

    def text(cell):
        said = f"{cell.text} ({cell.small})" if cell.small else cell.text
        said = f"{said} [{cell.tone}]" if cell.tone else said
        return said if cells == "numbers" else re.sub(r"−?\d", "0", said)

    for opening in page.openings:
        yield f"opening {opening.name}"
        shown = opening.numbers if cells != "none" else ()
        yield from (f"    {n.label} | {text(Cell(n.value, n.interval, n.tone))}" for n in shown)
    for section in page.sections:
        yield f"section {section.anchor}"
        if cells == "none" and section.anchor == "provenance":
            continue  # has a table of the times of work that was done, and of none that was kept
        for block in section.blocks:
            name = getattr(block, "name", "")
            tiles = f", tiles {len(block.tiles)}" if isinstance(block, Gallery) else ""
            yield f"  {block.kind} {name}{tiles}".rstrip()
            if isinstance(block, Table):
                yield f"    = {' | '.join(block.columns)}"
                for group in block.groups:
                    yield from [f"    # {group.heading}"] if group.heading else []
                    if cells == "none":
                        yield f"    {len(group.rows)} rows"
                    else:
                        yield from (f"    {' | '.join(map(text, row))}" for row in group.rows)
