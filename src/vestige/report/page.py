"""A page as one self-contained HTML file, and its figures as PNG files."""

from __future__ import annotations

import base64
import io
from importlib import resources
from pathlib import Path

import jinja2
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from vestige.files import write_bytes, write_text
from vestige.manifest import may_replace, update_manifest
from vestige.report.blocks import Chart, Gallery, Page
from vestige.report.style import DARK, LIGHT, PAGE_WIDTH, Theme, themed, to_png, to_svg


def render(page: Page) -> str:
    """The page as HTML: styles, charts and pictures inside it, no script, nothing from elsewhere."""
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_template), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.undefined = jinja2.StrictUndefined
    environment.filters["svg"] = _svg
    environment.filters["photo"] = _photo
    return environment.get_template("page.html").render(page=page, style=stylesheet(), light=LIGHT, dark=DARK)


def stylesheet() -> str:
    """The look of vestige's pages as CSS: colours, light and dark, type, tables."""
    return _template("style.css")


def save_page(page: Page, path: Path) -> None:
    """Write the page's HTML.

    Raises:
        VestigeError: where it cannot be written, or is a file of the user's in a folder of vestige's.
    """
    write_text(path, render(page), overwrite=may_replace(path), what="the report")
    update_manifest(path.parent, path)


def save_figures(page: Page, folder: Path) -> tuple[Path, ...]:
    """Save the page's figures as ``NAME.png`` in a folder; the files.

    Raises:
        VestigeError: where one cannot be written.
    """
    figures = {folder / f"{figure.name}.png": figure for figure in page.figures()}
    for path, figure in figures.items():
        write_bytes(path, figure_png(figure), overwrite=may_replace(path, folder.parent), what="the figures")
    return tuple(figures)


def figure_png(figure: Chart | Gallery, theme: Theme = LIGHT) -> bytes:
    """A chart or a gallery as PNG."""
    with themed(theme):
        if isinstance(figure, Chart):
            return to_png(figure.draw(theme), theme)
        return to_png(_sheet(figure), theme)


def _sheet(gallery: Gallery) -> Figure:
    """A gallery on one sheet, each picture over its caption."""
    height, width = gallery.tiles[0].pixels.shape[:2]
    rows = -(-len(gallery.tiles) // gallery.columns)
    tile_width = PAGE_WIDTH / gallery.columns
    figure = Figure(figsize=(PAGE_WIDTH, rows * (tile_width * height / width + 0.3)), layout="constrained")
    grid = figure.subplots(rows, gallery.columns, squeeze=False)
    for ax in grid.ravel():
        ax.axis("off")
    for ax, tile in zip(grid.ravel(), gallery.tiles, strict=False):
        ax.imshow(tile.pixels, interpolation="none")
        ax.set_title(tile.caption, y=-0.02, va="top", fontsize=7, loc="left", pad=0)
    return figure


def _template(name: str) -> str:
    return (resources.files("vestige.report") / "templates" / name).read_text(encoding="utf-8")


def _svg(chart: Chart, theme: Theme) -> str:
    with themed(theme):
        return _uri("image/svg+xml", to_svg(chart.draw(theme)))


def _photo(pixels: NDArray[np.uint8]) -> str:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="JPEG", quality=90, subsampling=0, optimize=True)
    return _uri("image/jpeg", stream.getvalue())


def _uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
