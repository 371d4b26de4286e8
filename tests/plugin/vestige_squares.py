"""A kind of data, squares on noise with their corners, and a family of networks, for vestige."""

from dataclasses import dataclass

import numpy as np

from vestige.datasets.dataset import Dataset
from vestige.datasets.kind import Kind
from vestige.errors import VestigeError
from vestige.example import Example
from vestige.markup import markup_of_names

SIDE = 64
CORNERS = markup_of_names("square", ["upper left", "upper right", "lower left", "lower right"])


@dataclass(frozen=True)
class Square:
    """A picture that is drawn when it is read, known by what it is drawn from."""

    seed: int
    index: int

    def corners(self):
        """``(4, 2)`` in pixels."""
        x, y, side = np.random.default_rng([self.seed, self.index, 0]).integers(8, 24, 3).tolist()
        return np.array([(x, y), (x + side, y), (x, y + side), (x + side, y + side)], dtype=float)

    def read(self):
        """``(64, 64, 3)``."""
        pixels = np.random.default_rng([self.seed, self.index, 1]).integers(0, 60, (SIDE, SIDE, 3), dtype=np.uint8)
        (x0, y0), *_, (x1, y1) = self.corners().astype(int)
        pixels[y0:y1, x0:x1] = 230
        return pixels

    def digest(self):
        """What the picture is drawn from."""
        return repr(self)


def load(spec, problems):
    """``squares:plain,n=N,seed=S``; ``squares:crash`` fails as a loader with a mistake does."""
    if spec.path == "crash":
        raise ZeroDivisionError("a mistake in the plug-in")
    examples = []
    for index in range(spec.integer("n", 20, least=1)):
        square = Square(spec.integer("seed", 0), index)
        points = square.corners()
        box = np.array([0.0, 0.0, SIDE, SIDE])
        name = f"{square.seed}-{index:04d}"
        examples.append(Example(name, name, square, box, points, np.ones(4, dtype=bool), category="square"))
    problems.add("a note", "is one problem")
    return Dataset(spec.text, tuple(examples), CORNERS)


KIND = Kind(load, ("n", "seed"))


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
