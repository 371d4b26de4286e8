"""More training pictures out of few: crops and mirrored copies, drawn by a seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from vestige.example import Example
from vestige.probes.engine.views import Views, example_box


def augmented_views(examples: Sequence[Example], copies: int, smallest: float, seed: int) -> Views:
    """Each whole picture, and ``copies - 1`` crops of it, side by side.

    A crop keeps the picture's proportions. Its sides are a share of the picture's, even between ``smallest`` and 1; it
    lies anywhere inside, and every other one (by chance) is mirrored. Boxes of the examples play no part.

    Args:
        examples: N pictures.
        copies: views of each, the first being the whole picture.
        smallest: share of the sides, in (0, 1].
        seed: of the draws.
    """
    whole = np.stack([example_box(replace(example, box=None)) for example in examples])
    generator = np.random.default_rng(seed)
    shape = (len(examples), copies)
    share = generator.uniform(smallest, 1.0, shape)
    mirrored = generator.random(shape) < 0.5
    corner = generator.random((*shape, 2))
    share[:, 0], mirrored[:, 0] = 1.0, False
    size = whole[:, None, 2:]
    low = corner * (1 - share[..., None]) * size
    boxes = np.concatenate([low, low + share[..., None] * size], axis=-1)
    return Views(
        [replace(example, box=None) for example in examples],
        np.repeat(np.arange(len(examples)), copies),
        boxes.reshape(-1, 4),
        mirrored.ravel(),
    )
