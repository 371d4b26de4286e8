"""A family of networks for vestige."""

from vestige.errors import VestigeError


def open_tiny(spec):
    """``tiny:two``: two convolutions, with random weights of a seed."""
    from torch import nn

    from vestige.backbones import Preprocessing
    from vestige.backbones.adapting import adapt, build

    if spec.name != "two":
        raise VestigeError(f"{spec.text!r}: expected tiny:two")

    def make():
        return nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 8, 3, 2, 1))

    module = build(spec, make, make)
    return adapt(spec, module, Preprocessing((32, 32), (127.5,) * 3, (127.5,) * 3))
