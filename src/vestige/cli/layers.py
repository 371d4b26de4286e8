"""``vestige layers``: what a backbone has to read, and where each layer's units look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from vestige.cli.commands import command_of
from vestige.cli.console import listening, print_json, quietly
from vestige.cli.help import examples
from vestige.cli.parts import Printing
from vestige.options import needed, option
from vestige.text import count

if TYPE_CHECKING:
    from vestige.backbones import Backbone, Layer
    from vestige.backbones.receptive import ReceptiveField

_SHOWN = 8  # names of categories


@dataclass(frozen=True)
class SomeLayers:
    """Layers of a network.

    Attributes:
        backbone: its spec.
        layers: names and globs.
    """

    backbone: str = needed("The network, as in --backbone of other commands.", metavar="BACKBONE", argument=True)
    layers: tuple[str, ...] = option(
        ("all",), "A layer's name or a glob; repeat for several.", names=("--layer",), metavar="NAME"
    )


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    doc = """The layers of a network: name, kind, shape, stride, receptive field (unclipped; in pixels of the input).

    The centre is that of unit 0, in continuous pixels: pixel i covers [i, i + 1).
    """
    shown = examples("vestige layers efficientnet_lite0 --layer 'block*'", "vestige layers scene_cnn")
    app.command("layers", epilog=shown)(command_of(layers, (SomeLayers, Printing), doc))


def layers(asked: SomeLayers, printing: Printing) -> None:
    """Describe them."""
    from vestige.backbones import open_backbone
    from vestige.threads import one_torch_thread

    with one_torch_thread():
        opened = open_backbone(asked.backbone)
        names = opened.select(asked.layers)
        described = opened.layers(names)
        fields = _fields(opened, names, printing)
    if printing.json:
        own = [_to_json(each, fields[each.name]) for each in described]
        print_json({"layers": own, "categories": opened.categories})
        return
    Console(emoji=False, markup=False).print(_table(opened, described, fields))
    typer.echo(_preprocessing(opened))
    if opened.categories:
        typer.echo(_categories(opened.categories))


def _fields(opened: Backbone, names: Sequence[str], printing: Printing) -> dict[str, ReceptiveField]:
    """The receptive fields; a line says that they are being found, where they are not kept from before."""
    from vestige.features.kept_fields import receptive_fields

    with quietly(printing.quiet), listening() as listener:
        said: list[str] = []

        def progress(done: int, total: int) -> None:
            if not said:
                said.append("finding receptive fields, once for this architecture")
                listener.say(said[0])
            listener.count("layers", done, total)

        return receptive_fields(opened, names, progress)


def _to_json(layer: Layer, field: ReceptiveField) -> dict[str, Any]:
    return {
        "name": layer.name,
        "kind": layer.kind,
        "shape": layer.shape,
        "stride": field.stride,
        "receptive_field": field.receptive_field,
        "centre": field.centre,
        "whole_image": field.whole_image,
    }


def _table(opened: Backbone, described: tuple[Layer, ...], fields: dict[str, ReceptiveField]) -> Table:
    table = Table(title=opened.spec, title_justify="left", box=SIMPLE_HEAD)
    for name in ("name", "kind", "shape", "stride", "field", "centre", ""):
        table.add_column(name, no_wrap=True)
    for layer in described:
        field = fields[layer.name]
        table.add_row(
            layer.name,
            layer.kind,
            "x".join(map(str, layer.shape)),
            _pair(field.stride),
            _pair(field.receptive_field),
            _pair(field.centre),
            "whole image" if field.whole_image else "",
        )
    return table


def _pair(values: tuple[float, float] | None) -> str:
    """``(y, x)``; one number where both are the same."""
    if values is None:
        return ""
    return f"{values[0]:g}" if values[0] == values[1] else f"{values[0]:g}x{values[1]:g}"


def _categories(names: tuple[str, ...]) -> str:
    """How many there are, and the first ones."""
    shown = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
    return f"{count(len(names), 'category', 'categories')}: {shown}"


def _preprocessing(opened: Backbone) -> str:
    p = opened.preprocessing
    mean = "a mean image" if p.mean_image is not None else ", ".join(f"{v:g}" for v in p.mean)
    std = ", ".join(f"{v:g}" for v in p.std)
    told = f"input {p.size[0]} x {p.size[1]} {p.channels.upper()}, {p.interpolation}; minus {mean}; over {std}"
    if p.crop_fraction != 1:
        told += f" (its authors keep the central {p.crop_fraction:.1%}; a probe sees the whole crop)"
    return told
