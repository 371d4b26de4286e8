"""Networks at other sizes than their own: on squares that boxes are resized to, and on pictures as they come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from vestige.backbones import Backbone, ReceptiveField, receptive_fields
from vestige.errors import VestigeError
from vestige.features.dense import Size


def at_size(backbone: Backbone, size: Size) -> Backbone:
    """The same network for pictures of (height, width) pixels. A mean image becomes its mean colour."""
    before = backbone.preprocessing
    mean = before.mean
    if before.mean_image is not None:
        red, green, blue = before.mean_image.mean(axis=(1, 2)).tolist()
        mean = (red, green, blue)
    return Backbone(
        backbone.spec,
        backbone.module,
        replace(before, size=size, mean=mean, mean_image=None),
        backbone.paths,
        channels_last_layers=backbone.channels_last_layers,
        prefix_tokens=backbone.prefix_tokens,
        register_tokens=backbone.register_tokens,
        structure=backbone.structure,
        categories=backbone.categories,
    )


def fields_at_every_size(backbone: Backbone, names: Sequence[str]) -> dict[str, ReceptiveField]:
    """The receptive fields of layers, where they are the same for pictures of every size.

    Networks with "same" padding as TensorFlow computes it pad by what the side leaves over, and so move their cells by
    up to half a stride from one size to the next. At an input one pixel larger that shows.

    Raises:
        VestigeError: where a layer's cells move.
    """
    fields = receptive_fields(backbone, names)
    height, width = backbone.preprocessing.size
    try:
        larger = receptive_fields(at_size(backbone, (height + 1, width + 1)), names)
    except (RuntimeError, ValueError, AssertionError, VestigeError):  # it takes no other size, and says so when asked
        return fields
    for name, field in fields.items():
        here, there = field.centre, larger[name].centre
        if here is not None and there is not None and here != there:
            raise VestigeError(
                f"{backbone.spec}: layer {name!r} pads by the size of the picture, so its cells stand elsewhere in "
                f"pictures of other sizes ({here[0]:g} and {there[0]:g} pixels for the first, at {height} "
                f"and {height + 1}); take a network that pads alike, or `vestige correspond align` or "
                "`detect`, which show it squares of one size"
            )
    return fields
