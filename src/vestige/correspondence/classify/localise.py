"""How precisely a classifier knows its place (section 4, Fig. 4): where its response is highest about a keypoint.

Responses are computed at every pixel of a square of 21 x 21 about each test keypoint, by the classifier of its own
type. A network gives them one cell a stride, so its picture is moved by every offset within a stride in turn. The
highest response of a square is a peak; peaks on the square's border, which may belong to something outside, are left
out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vestige.backbones import PreparedBackbone, ReceptiveField, prepared
from vestige.contract.session import Session
from vestige.correspondence.classify.one_vs_all import Classifier
from vestige.correspondence.classify.task import REACH, ClassifyOptions
from vestige.correspondence.marks import Marks, seen
from vestige.correspondence.sift import sift
from vestige.example import Example
from vestige.features.extract import exact_arithmetic
from vestige.geometry import Points
from vestige.images import Pixels
from vestige.intervals import Bootstrap, Floats, interval
from vestige.partial_work import Arrays
from vestige.results import Row

SIDE = 2 * REACH + 1

_BATCH = 8
"""Moved pictures a forward pass."""

Classifiers = Mapping[str, Mapping[str, Classifier]]
"""By method and class."""


@dataclass(frozen=True)
class Peaks:
    """Where the highest responses are.

    Attributes:
        marks: ``(m,)``: the test marks about which they were searched for.
        examples: ``(m,)``: whose marks they are.
        offsets: by method ``(m, 2)``: (dx, dy) of the peak from the mark, in whole pixels from -10 to 10.
    """

    marks: NDArray[np.intp]
    examples: NDArray[np.intp]
    offsets: Mapping[str, NDArray[np.int8]]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Of ``examples.npz``; none where there was no search."""
        if not len(self.marks):
            return {}
        return {"peak_marks": self.marks, **{f"peak/{name}": offsets for name, offsets in self.offsets.items()}}

    def rows(self, data: Sequence[Example], seed: int) -> tuple[Row, ...]:
        """By method: the share of peaks that are not on the border, and the mean distance of those from the mark.

        Args:
            data: the test examples.
            seed: of the bootstrap; ``n`` counts the peaks that a value is over.
        """
        if not len(self.marks):
            return ()
        examples, place = np.unique(self.examples, return_inverse=True)
        bootstrap, rows = Bootstrap.of([data[row] for row in examples], seed), []
        for method, offsets in self.offsets.items():
            inside = inside_square(offsets)
            far = np.where(inside, np.linalg.norm(offsets.astype(np.float64), axis=1), 0.0)
            every, hits, sums = (np.bincount(place, each, len(examples)) for each in (np.ones(len(far)), inside, far))
            share = interval(bootstrap.ratios(hits, every), bootstrap.count(every))
            rows.append(Row(method, "peaks_inside", "all", float(inside.mean()), share, len(inside)))
            if inside.any():
                distance = interval(bootstrap.ratios(sums, hits), bootstrap.count(hits))
                value = float(sums.sum() / hits.sum())
                rows.append(Row(method, "peak_distance", "all", value, distance, int(inside.sum())))
        return tuple(rows)


def inside_square(offsets: NDArray[np.int8]) -> NDArray[np.bool_]:
    """``(m, 2) -> (m,)``: whether a peak is not on the square's border."""
    return np.asarray((np.abs(offsets) < REACH).all(axis=1))


def localise(
    marks: Marks,
    classifiers: Classifiers,
    fields: Mapping[str, ReceptiveField],
    options: ClassifyOptions,
    session: Session,
) -> Peaks:
    """The peaks about the keypoints of some test pictures, drawn at random.

    Squares that reach beyond a picture, or beyond the outermost cells of a layer, are passed over for every method.

    Args:
        marks: of the test examples.
        classifiers: ``cell:LAYER`` and ``sift:RADIUS``.
        fields: of the layers.
        options: how many pictures.
        session: for its backbones and device; it reports progress in pictures, and keeps what is done.
    """
    reader, progress = session.reader, session.counting("localised pictures")
    count = min(options.localise, len(marks.pictures))
    drawn = np.sort(np.random.default_rng(options.seed).permutation(len(marks.pictures))[:count])
    if not count:
        return Peaks(np.empty(0, np.intp), np.empty(0, np.intp), {})
    layers = {
        name.removeprefix("cell:"): fields[name.removeprefix("cell:")] for name in classifiers if name[:5] == "cell:"
    }
    device = reader.options.torch_device()
    backbone = prepared(reader.backbone(options.backbone), device, keep=tuple(layers))
    look = _Look(marks, classifiers, layers, backbone, device, options)
    rows: list[NDArray[np.intp]] = []
    offsets: dict[str, list[NDArray[np.int8]]] = {method: [] for method in classifiers}
    for done, picture in enumerate(drawn.tolist()):
        progress(done, count)
        found = session.kept.get(look.key(picture), partial(look.at, picture))
        rows.append(found["rows"].astype(np.intp))
        for method in classifiers:
            offsets[method].append(found[method])
    progress(count, count)
    searched = np.concatenate(rows)
    return Peaks(searched, marks.example[searched], {method: np.concatenate(each) for method, each in offsets.items()})


@dataclass(frozen=True)
class _Look:
    """Seeks peaks in one picture at a time."""

    marks: Marks
    classifiers: Classifiers
    layers: Mapping[str, ReceptiveField]
    backbone: PreparedBackbone
    device: torch.device
    options: ClassifyOptions

    def key(self, picture: int) -> str:
        """A text that changes whenever what is found in a picture would."""
        total = hashlib.sha256()
        for by_class in self.classifiers.values():
            for classifier in by_class.values():
                total.update(classifier.weights.tobytes() + classifier.intercepts.tobytes())
        digest = self.marks.pictures[picture].image.digest()
        places = self.marks.places[self.marks.rows_of(picture)].tolist()
        return repr(
            (total.hexdigest(), digest, places, [*self.classifiers], self.options.short_side, self.backbone.spec)
        )

    def at(self, picture: int) -> Arrays:
        """``rows`` (m,), the marks of the picture whose squares every method sees, and by method the peaks (m, 2)."""
        preprocessing = self.backbone.preprocessing
        pixels, scale = seen(self.marks.pictures[picture], self.options.short_side or None, preprocessing.interpolation)
        rows = self.marks.rows_of(picture)
        places = np.floor(self.marks.places[rows] * scale) + 0.5  # the middle of the pixel that each is in
        known = np.array([self._knows(row) for row in rows.tolist()], dtype=np.bool_)
        within = ((places - REACH > 0) & (places + REACH < np.array(pixels.shape[1::-1]))).all(axis=1)
        rows, places = rows[known & within], places[known & within]
        responses: dict[str, Floats] = {}
        if len(rows):
            responses |= self._layers(pixels, rows, places)
            responses |= self._sift(pixels, rows, places)
        whole = np.ones(len(rows), dtype=np.bool_)
        for found in responses.values():
            whole &= np.isfinite(found).all(axis=(1, 2))
        peaks = {method: peaks_of(found[whole]) for method, found in responses.items()}
        empty = {method: np.empty((0, 2), np.int8) for method in self.classifiers}
        return {"rows": rows[whole], **empty, **peaks}

    def _knows(self, row: int) -> bool:
        """Whether there is a classifier of the mark's type."""
        name, keypoint = str(self.marks.classes[row]), self.marks.keypoint[row]
        return all(keypoint in by_class[name].keypoints for by_class in self.classifiers.values())

    def _weights(self, method: str, row: int) -> tuple[Floats, float]:
        """Of the classifier of a mark's own type."""
        classifier = self.classifiers[method][str(self.marks.classes[row])]
        which = int(np.searchsorted(classifier.keypoints, self.marks.keypoint[row]))
        return classifier.weights[which], float(classifier.intercepts[which])

    def _sift(self, pixels: Pixels, rows: NDArray[np.intp], places: Points) -> dict[str, Floats]:
        found: dict[str, Floats] = {}
        for method in self.classifiers:
            if method.startswith("sift:"):
                squares = [sift(pixels, place + _square(), float(method[5:])) for place in places]
                weights = [self._weights(method, row) for row in rows.tolist()]
                found[method] = np.stack(
                    [s.astype(np.float64) @ w + b for s, (w, b) in zip(squares, weights, strict=True)]
                )
        return found

    def _layers(self, pixels: Pixels, rows: NDArray[np.intp], places: Points) -> dict[str, Floats]:
        """By method ``(m, 21, 21)``: the responses; NaN where no cell is."""
        found = {f"cell:{layer}": np.full((len(rows), SIDE, SIDE), np.nan) for layer in self.layers}
        weights = {layer: [self._weights(f"cell:{layer}", row) for row in rows.tolist()] for layer in self.layers}
        for shifts in _batches(self.layers):
            outputs = self._outputs(np.stack([_moved(pixels, *shift) for shift in shifts]), shifts)
            for (shift, layer), grid in outputs.items():
                into = found[f"cell:{layer}"]
                for m, place in enumerate(places):
                    cells, window = cells_of_square(place, self.layers[layer], shift, (grid.shape[1], grid.shape[2]))
                    w, b = weights[layer][m]
                    into[m][window[:, 0], window[:, 1]] = grid[:, cells[:, 0], cells[:, 1]].T @ w + b
        return found

    def _outputs(
        self, pictures: NDArray[np.uint8], shifts: Sequence[tuple[int, int]]
    ) -> dict[tuple[tuple[int, int], str], Floats]:
        """The grids ``(C, h, w)`` of the layers that a shift is of use to, by shift and layer."""
        wanted = [name for name, field in self.layers.items() if any(_of_use(shift, field) for shift in shifts)]
        with torch.inference_mode(), exact_arithmetic():
            x = self.backbone.preprocessing(pictures, self.device)
            outputs: dict[str, Tensor] = self.backbone.run(x, wanted)
        return {
            (shift, layer): outputs[layer][i].double().cpu().numpy()
            for i, shift in enumerate(shifts)
            for layer in wanted
            if _of_use(shift, self.layers[layer])
        }


def peaks_of(responses: Floats) -> NDArray[np.int8]:
    """The offsets (dx, dy) of the highest responses: ``(m, 21, 21) -> (m, 2)``; of equal ones the first."""
    y, x = np.divmod(responses.reshape(len(responses), SIDE**2).argmax(axis=1), SIDE)
    return np.stack([x - REACH, y - REACH], axis=1).astype(np.int8)


def cells_of_square(
    place: Points, field: ReceptiveField, shift: tuple[int, int], grid: tuple[int, int]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The cells that stand on a square's pixels when the picture is moved up and to the left by a shift.

    Where receptive fields are centred on pixels' corners, a cell stands on the pixel below and to the right.

    Args:
        place: ``(2,)``: the middle (x, y) of a pixel, in the picture as it was.
        field: of the layer.
        shift: (y, x), each less than the stride.
        grid: height and width.

    Returns:
        cells ``(m, 2)``, each (y, x), and where they are in the square, ``(m, 2)``, likewise.
    """
    assert field.stride is not None
    assert field.centre is not None
    along = []
    for axis in (0, 1):
        first = int(np.ceil(field.centre[axis] - 0.5)) + shift[axis]  # the pixel that cell 0 stands on
        pixels = int(place[1 - axis]) - REACH + np.arange(SIDE)
        cells, rest = np.divmod(pixels - first, field.stride[axis])
        there = (rest == 0) & (cells >= 0) & (cells < grid[axis])
        along.append((cells[there], np.flatnonzero(there)))
    cells, window = (np.stack(np.meshgrid(along[0][k], along[1][k], indexing="ij"), axis=-1) for k in (0, 1))
    return cells.reshape(-1, 2).astype(np.intp), window.reshape(-1, 2).astype(np.intp)


def _square() -> Points:
    """``(21, 21, 2)``: the offsets (dx, dy) of a square's pixels."""
    y, x = np.indices((SIDE, SIDE)) - REACH
    return np.stack([x, y], axis=-1).astype(np.float64)


def _moved(pixels: Pixels, down: int, right: int) -> Pixels:
    """A picture moved up and to the left by so many pixels; what comes in at the other edges repeats them."""
    height, width = pixels.shape[:2]
    rows = np.minimum(np.arange(height) + down, height - 1)
    columns = np.minimum(np.arange(width) + right, width - 1)
    moved: Pixels = pixels[rows[:, None], columns]
    return moved


def _of_use(shift: tuple[int, int], field: ReceptiveField) -> bool:
    assert field.stride is not None
    return shift[0] < field.stride[0] and shift[1] < field.stride[1]


def _batches(layers: Mapping[str, ReceptiveField]) -> Iterator[list[tuple[int, int]]]:
    """Every shift (y, x) within the largest stride, some at a time."""
    strides = [field.stride for field in layers.values() if field.stride is not None]
    high, wide = (max(stride[axis] for stride in strides) for axis in (0, 1)) if strides else (0, 0)
    shifts = [(y, x) for y in range(high) for x in range(wide)]
    for start in range(0, len(shifts), _BATCH):
        yield shifts[start : start + _BATCH]
