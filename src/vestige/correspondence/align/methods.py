"""What an alignment measures, and by which methods."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from vestige.correspondence.transfers import TRANSFERS
from vestige.methods import ACCENTS, Method
from vestige.metrics import Metric
from vestige.scores import PCK_METRICS

SIFT = "flow:sift"
"""SIFT's flow on the chosen layer's grid."""

METRICS: Mapping[str, Metric] = PCK_METRICS

_OTHERS = ACCENTS[2:]  # the first two are the chosen layer's and SIFT's


def flow_methods(betas: Mapping[str, float], chosen: str) -> Callable[[str], Method]:
    """What the methods of an alignment are.

    Args:
        betas: by flow.
        chosen: the network's flow that is best on training instances.
    """
    flows = [name for name in betas if name not in (chosen, SIFT)]

    def known(name: str) -> Method:
        if name in TRANSFERS:
            return TRANSFERS[name]
        if name == SIFT:
            return Method("SIFT flow", "orange", trained=False)
        colour = "blue" if name == chosen else _OTHERS[flows.index(name) % len(_OTHERS)]
        at = name.removeprefix(f"{SIFT}-")
        if at != name:
            return Method(f"SIFT flow at {at}", colour, trained=False)
        return Method(f"{name.removeprefix('flow:')} flow", colour)

    return known
