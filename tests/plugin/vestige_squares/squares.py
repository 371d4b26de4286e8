"""Kinds of data for vestige: squares on noise with their corners, and scenes of them with their depth."""

from dataclasses import dataclass

import numpy as np

from vestige.datasets.dataset import Dataset
from vestige.datasets.reading import Kind
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


@dataclass(frozen=True)
class Scene:
    """Squares at several depths before a wall, the darker the farther; drawn when it is read."""

    seed: int
    index: int

    def draw(self):
        """Pixels ``(64, 64, 3)`` of 8 bits, and their depth ``(64, 64)`` in metres."""
        random = np.random.default_rng([self.seed, self.index])
        depth = np.full((SIDE, SIDE), 6.0)
        for metres in np.sort(random.uniform(1, 5, 4))[::-1]:
            x, y, side = (*random.integers(0, 40, 2).tolist(), int(60 / metres) + 6)
            depth[y : y + side, x : x + side] = metres
        grey = 240 / depth + random.uniform(0, 12, depth.shape)
        return np.repeat(grey[..., None], 3, axis=2).astype(np.uint8), depth

    def read(self):
        """``(64, 64, 3)``."""
        return self.draw()[0]

    def digest(self):
        """What the picture is drawn from."""
        return repr(self)


@dataclass(frozen=True)
class SceneDepth:
    """The depth of a scene, as vestige reads pictures and masks."""

    scene: Scene

    def read(self):
        """``(64, 64)`` in metres."""
        return self.scene.draw()[1]

    def digest(self):
        """What it is drawn from."""
        return repr(self)


@dataclass(frozen=True)
class DepthExample(Example):
    """An Example of which the depth is known, too."""

    depth: SceneDepth | None = None


def load_scenes(spec, _problems):
    """``scenes:plain,n=N,seed=S``."""
    scenes = [Scene(spec.integer("seed", 0), index) for index in range(spec.integer("n", 20, least=1))]
    names = [f"{scene.seed}-{scene.index:04d}" for scene in scenes]
    examples = (DepthExample(n, n, scene, depth=SceneDepth(scene)) for n, scene in zip(names, scenes, strict=True))
    return Dataset(spec.text, tuple(examples))


SCENES = Kind(load_scenes, ("n", "seed"))
