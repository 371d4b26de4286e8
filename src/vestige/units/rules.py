"""What a unit's picture shows: rules by name that make a mask of an activation map.

Names and rules stand together, and commands are made from the names: so what computes is imported where it does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from vestige.images import Pixels
    from vestige.units.places import Standing

Rule = Literal["quantile", "relative", "smooth", "fields"]
"""The names of the rules."""

RULES: Mapping[str, str] = {
    "quantile": "where the activation, laid over the picture, is above the unit’s threshold",
    "relative": "where the activation, laid over the picture, is above 0.2 of the unit’s largest",
    "smooth": "where the map, each cell the mean of 3 x 3 and laid over the picture, is above 0.4 of its largest value",
    "fields": "discs, or the unit’s own field, about cells above half of the picture’s largest activation",
}
"""What each says, as it stands below figures."""

RELATIVE = 0.2
"""Of a unit's largest activation: what is above is shown."""

_SMOOTH, _HALF = 0.4, 0.5
_DIM = 0.25  # how bright what a unit does not show is

Mask: TypeAlias = "NDArray[np.bool_]"


@dataclass(frozen=True)
class UnitScale:
    """What the rules know of a unit.

    Attributes:
        threshold: that its top share of activations is above.
        largest: activation in the data.
    """

    threshold: float
    largest: float


def shown_by(
    rule: Rule,
    map: NDArray[np.float32],
    standing: Standing,
    shape: tuple[int, int],
    unit: UnitScale,
    disc: float | None = None,
    field: Mask | None = None,
) -> Mask:
    """What a map shows of a picture, as a mask ``(H, W)`` over the whole of it.

    Args:
        rule: by name; see :data:`RULES`.
        map: ``(h, w)``.
        standing: how it lies on the picture.
        shape: H and W.
        unit: whose map it is.
        disc: the diameter of ``fields``' discs in pixels of the network's input; None for two strides.
        field: ``(2 reach + 1, 2 reach + 1)``: which pixels about a cell's centre ``fields`` shows instead of a disc.
    """
    from scipy.ndimage import uniform_filter

    if rule == "fields":
        return _fields(map, standing, shape, disc, field)
    if rule == "smooth":
        map = uniform_filter(map, size=3, mode="nearest")
        largest = float(map.max())
        found: Mask = standing.laid_over(map, shape) > _SMOOTH * largest
        return found & (largest > 0)
    bar = unit.threshold if rule == "quantile" else RELATIVE * unit.largest
    above: Mask = standing.laid_over(map, shape) > bar
    return above


def lit(picture: Pixels, mask: Mask) -> Pixels:
    """A picture ``(H, W, 3)`` that is dark where a mask ``(H, W)`` is not."""
    import numpy as np

    shown: Pixels = np.where(mask[..., None], picture, (picture * _DIM).astype(np.uint8))
    return shown


def _fields(
    map: NDArray[np.float32], standing: Standing, shape: tuple[int, int], disc: float | None, field: Mask | None
) -> Mask:
    import numpy as np

    largest = float(map.max())
    mask = np.zeros(shape, dtype=bool)
    if largest <= 0:
        return mask
    radius = (disc if disc is not None else 2 * max(standing.stride)) / 2
    y = (np.arange(shape[0]) + 0.5) / shape[0] * standing.size[0]
    x = (np.arange(shape[1]) + 0.5) / shape[1] * standing.size[1]
    for i, j in np.argwhere(map > _HALF * largest).tolist():
        down = y - (standing.centre[0] + i * standing.stride[0])
        across = x - (standing.centre[1] + j * standing.stride[1])
        mask |= down[:, None] ** 2 + across**2 <= radius**2 if field is None else _about(field, down, across)
    return mask


def _about(field: Mask, down: NDArray[np.float64], across: NDArray[np.float64]) -> Mask:
    """Which points, by their distances from a cell's centre ``(H,)`` and ``(W,)``, a field about it holds."""
    import numpy as np

    rows, columns = (np.rint(each).astype(int) + len(field) // 2 for each in (down, across))
    inside = [(each >= 0) & (each < len(field)) for each in (rows, columns)]
    at = np.ix_(*(each.clip(0, len(field) - 1) for each in (rows, columns)))
    found: Mask = field[at] & inside[0][:, None] & inside[1]
    return found
