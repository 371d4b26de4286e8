"""What a detection measures, and by which methods."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from vestige.correspondence.transfers import TRANSFERS
from vestige.methods import ACCENTS, Dash, Method
from vestige.metrics import Metric
from vestige.scores import PCK_METRICS

SIFT = "sift"
"""The feature that is no layer's."""

PRIOR, CHOSEN = "+prior", "+prior-cv"
"""What is added to a method's name: the prior with the given eta and sigma, and with those of training folds."""

METRICS: Mapping[str, Metric] = PCK_METRICS

_OTHERS = ACCENTS[2:]  # the first two are the chosen layer's and SIFT's
_PRIORS: Mapping[str, tuple[str, Dash]] = {
    CHOSEN: (" + prior, tuned", "dashdot"),
    PRIOR: (" + prior", "solid"),
    "": ("", "dashed"),
}


def detector_methods(features: Collection[str], chosen: str) -> Callable[[str], Method]:
    """What the methods of a detection are: a colour for each feature, a dash for each kind of prior.

    Args:
        features: their names.
        chosen: the layer that is best on training folds.
    """
    others = [name for name in features if name not in (SIFT, chosen)]

    def known(name: str) -> Method:
        if name in TRANSFERS:
            return TRANSFERS[name]
        end = next(end for end in _PRIORS if name.endswith(end))
        said, dash = _PRIORS[end]
        feature = name.removesuffix(end).removeprefix("detect:")
        if feature == SIFT:
            return Method(f"SIFT{said}", "orange", dash, trained=False)
        colour = "blue" if feature == chosen else _OTHERS[others.index(feature) % len(_OTHERS)]
        return Method(f"{feature}{said}", colour, dash)

    return known
