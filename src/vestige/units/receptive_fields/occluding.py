"""One picture occluded for all the units that have it among their top pictures."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vestige.backbones import Preprocessing, ReceptiveField
from vestige.features.extract import exact_arithmetic
from vestige.images import Pixels
from vestige.units.incremental import Cells, Incremental, Occluders
from vestige.units.receptive_fields.field import seen_by

Changes = dict[str, NDArray[np.float32]]


def noise(occluders: Occluders, seed: tuple[int, ...], *, fresh: bool) -> NDArray[np.uint8]:
    """What occluders are filled with: uniform noise ``(P, side, side, 3)`` RGB; of one for all where not ``fresh``."""
    shape = (len(occluders) if fresh else 1, occluders.side, occluders.side, 3)
    drawn = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    return np.broadcast_to(drawn, (len(occluders), *shape[1:]))


def preprocessed(patches: NDArray[np.uint8], occluders: Occluders, preprocessing: Preprocessing) -> Tensor:
    """Patches ``(P, side, side, 3)`` as the network's input has them where they lie: ``(P, 3, side, side)``."""
    black = preprocessing(np.zeros((1, *occluders.size, 3), np.uint8))[0]
    pixels = patches[..., ::-1] if preprocessing.channels == "bgr" else patches
    scaled = torch.from_numpy(pixels.astype(np.float32) / np.array(preprocessing.std, np.float32)).permute(0, 3, 1, 2)
    here = black.unfold(1, occluders.side, 1).unfold(2, occluders.side, 1)  # (3, h', w', side, side)
    y, x = occluders.places.T
    return scaled + here[:, y, x].transpose(0, 1)


def changes(
    network: Incremental,
    fields: Mapping[str, ReceptiveField],
    picture: Pixels,
    patches: Tensor,
    cells: Mapping[str, Cells],
    device: torch.device,
) -> tuple[Changes, int]:
    """How far each occluder moves the activations of units, at their places.

    Args:
        network: that is run.
        fields: of its layers; an occluder that a unit cannot see is not run for it.
        picture: ``(h, w, 3)`` RGB, as the network sees it.
        patches: as :func:`preprocessed` gives them.
        cells: the units, by layer.
        device: of the network.

    Returns:
        By layer ``(Q, ny, nx)``: the absolute changes; and how many occluded pictures were run.
    """
    occluders = network.occluders
    x = network.backbone.preprocessing(picture[None], device)
    with torch.inference_mode(), exact_arithmetic():
        maps = {name: each[0].cpu() for name, each in zip(network.layers, network.maps(x), strict=True)}
    seen = {name: seen_by(fields[name], each.y, each.x, occluders) for name, each in cells.items()}
    found = {name: np.zeros((len(each.units), len(occluders)), np.float32) for name, each in cells.items()}
    kinds = np.stack([each.any(axis=0) for each in seen.values()])  # (layers, P): which layers an occluder is run for
    run = 0
    for kind in np.unique(kinds[:, kinds.any(axis=0)], axis=1).T:
        which = np.flatnonzero((kinds == kind[:, None]).all(axis=0))
        of_these = {name: each for (name, each), wanted in zip(cells.items(), kind, strict=True) if wanted}
        occluded = network.run(x, patches[torch.from_numpy(which)].to(device), which, of_these)
        for name, each in of_these.items():
            before = maps[name][each.units, each.y, each.x].numpy()
            found[name][:, which] = np.abs(occluded[name] - before).T * seen[name][:, which]
        run += len(which)
    return {name: each.reshape(-1, *occluders.shape) for name, each in found.items()}, run
