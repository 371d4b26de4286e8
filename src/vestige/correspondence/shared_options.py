"""Options that several measurements of this wing have, stated once."""

from __future__ import annotations

from typing import Any, Literal, get_args

from vestige.errors import VestigeError
from vestige.options import UNSET, option
from vestige.spelling import spelled

Centres = Literal["field", "response"]
"""Where a cell stands: at the centre of its receptive field, or of its response to pictures."""


ALPHAS = (0.1, 0.05, 0.025)
"""Of PCK, in longer sides of the box."""


def grid_layers_option(default_text: str = "", *, typed: Any = UNSET) -> tuple[str, ...]:
    """Of which grid layers are read.

    Args:
        default_text: which are where none is named.
        typed: ``MISSING`` where the command line has to name some.
    """
    text = "A grid layer's name or a glob; repeat for several."
    return option((), text, names=("--layer",), metavar="NAME", default_text=default_text, typed=typed)


def neighbour_layer_option(whose: str, default_text: str) -> str:
    """Of the layer that finds neighbours."""
    return option("", f"The layer that finds {whose}.", metavar="NAME", default_text=default_text)


def neighbour_readout_option(default_text: str) -> str:
    """Of that layer's readout."""
    return option("", "Its readout.", metavar="R", default_text=default_text)


def centres_option() -> Centres:
    """Of where cells stand."""
    text = "Where a cell stands: at the centre of its receptive field, or of its response to pictures."
    default: Centres = "field"
    return option(default, text)


def check_centres(centres: str) -> None:
    """Refuse another place of cells.

    Raises:
        VestigeError: naming those that there are.
    """
    if centres not in get_args(Centres):
        raise VestigeError(f"{spelled('centres', centres)}: expected {' or '.join(get_args(Centres))}")
