"""Segmentation (section 3.1, Table 3, Fig. 5): the class of every pixel, read out of a picture's representation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vestige import bounds as b
from vestige.contract.bench import Bench
from vestige.contract.found import Found
from vestige.contract.session import Session
from vestige.contract.task import Task, Trained
from vestige.datasets.dataset import Dataset
from vestige.datasets.masks import voc_colours
from vestige.errors import VestigeError
from vestige.example import Example
from vestige.images import Pixels
from vestige.intervals import Bootstrap, Floats
from vestige.methods import MEAN, RGB, RIDGE, UNTRAINED, Method
from vestige.metrics import Metric
from vestige.options import option
from vestige.probes.engine.codec import Codec, Encoded, Measured, Numbers, Score, Scores
from vestige.probes.engine.evaluate_vectors import PICTURE_SIZE
from vestige.probes.engine.fit import FOLDS
from vestige.probes.engine.linear import LinearProbe
from vestige.probes.engine.options import VectorOptions
from vestige.probes.engine.trained_vectors import load_trained_vectors
from vestige.probes.engine.vector_probe import bench_vectors, check_vectors, probe_vectors
from vestige.probes.engine.views import Views, example_box, whole_views
from vestige.probes.segmentation.class_areas import Labels, LabelTable, first_views, majority, view_fractions
from vestige.probes.segmentation.class_maps import map_of, mapped_photograph
from vestige.probes.segmentation.pixel_counts import PixelCounts, Responses, count_pixels, mean_over_classes
from vestige.probes.segmentation.task import SEGMENTATION, SegmentationOptions, Targets
from vestige.ridge import Moments, fit
from vestige.run import Run

UNAUGMENTED = "ridge-unaugmented"
"""The method ``ridge`` trained on the pictures alone, without their crops."""

REFINED = "+M"
"""What a method's name ends with after the second linear map."""

_VIEWS = 64  # whose cells are worked on at a time

Masks = tuple[Labels, ...]
"""The test pictures' labels, each ``(H, W)``."""


@dataclass(frozen=True)
class Labelled:
    """What pixels may be.

    Attributes:
        classes: the data set's, by mask value.
        void: the mask value that counts for nothing, or None; 255 always does.
    """

    classes: tuple[str, ...]
    void: int | None = option(None, bounds=b.MASK_VALUE)


@dataclass(frozen=True)
class Segmentation(SegmentationOptions, Labelled, Codec[Masks]):
    """The task: ``grid x grid x C`` numbers, in the order (y, x, class): how much of each cell each class covers.

    Targets are shares of the cell's area or, as the paper's, 1 for the class that covers most of it and 0 for the rest.
    Every cell and class has a regressor of its own. Void adds to no target and is not measured. The second map M
    (``C x C``, no intercept) takes a cell's responses to one-hot of the class that covers most of it; the paper gives
    no intercept either. Whole pictures are squashed to the square; responses are resized to each picture's own size,
    bilinearly, before they are measured.
    """

    task: ClassVar[Task] = SEGMENTATION
    metric: ClassVar[str] = "miou"
    metrics: ClassVar[Mapping[str, Metric]] = {
        "miou": Metric("mean IoU", shown="percent", paper=False),
        "iou": Metric("IoU", shown="percent", paper=False),
        "pixel_ap": Metric("average precision", shown="percent"),
        "pixel_accuracy": Metric("pixel accuracy", shown="percent", paper=False),
    }
    known_methods: ClassVar[Mapping[str, Method]] = {
        "mean": replace(MEAN, label="Class prior of the cell"),
        "rgb": RGB,
        "rgb+M": replace(RGB, label="Pixels (RGB), with M"),
        "untrained": UNTRAINED,
        "untrained+M": replace(UNTRAINED, label="Untrained network, with M"),
        "ridge-unaugmented": Method("Network + ridge, no crops", paper=False),
        "ridge-unaugmented+M": Method("Network + ridge, no crops, with M", paper=False),
        "ridge": RIDGE,
        "ridge+M": Method("Network + ridge, with M"),
    }
    paired: ClassVar[tuple[str, ...]] = ("miou", "pixel_ap")

    def __post_init__(self) -> None:
        object.__setattr__(self, "classes", tuple(self.classes))  # JSON knows lists
        super().__post_init__()

    @property
    def table(self) -> LabelTable:
        """What mask values are to the task."""
        return LabelTable(self.classes, self.void)

    @property
    def width(self) -> int:
        """The cells' classes."""
        return self.grid * self.grid * self.refined

    @property
    def refined(self) -> int:
        """The classes that count."""
        return len(self.table.values)

    def check(self, examples: Sequence[Example]) -> None:
        """Every example needs a mask, and a data set the task's classes."""
        if isinstance(examples, Dataset) and (examples.classes, examples.void) != (self.classes, self.void):
            raise VestigeError(
                f"{examples.spec}: its classes are {_listed(examples.classes, examples.void)}; "
                f"expected {_listed(self.classes, self.void)}, which the probe is trained on"
            )
        for example in examples:
            if example.mask is None:
                raise VestigeError(f"{example.id}: has no mask; segmentation needs a class for every pixel")

    def train_views(self, examples: Sequence[Example]) -> Views:
        """The whole pictures, each beside its crops."""
        return augmented_views(examples, self.augment, self.smallest_crop, self.seed)

    def test_views(self, examples: Sequence[Example]) -> Views:
        """The whole pictures."""
        return whole_views(examples)

    def encode(self, views: Views) -> Encoded:
        """The targets of every cell ``(V, grid * grid * C)``; what a crop has outside its picture is void."""
        values = view_fractions(views, self.table, self.grid)
        if self.targets == "binary":
            for start in range(0, len(values), _VIEWS):  # in place: targets are large
                some = self.cells(values[start : start + _VIEWS])
                some[...] = majority(some)[..., None] == np.arange(some.shape[-1])
        return Encoded(values)

    def cells(self, values: Numbers) -> Responses:
        """Predictions or targets ``(V, t)`` as ``(V, grid, grid, C)``."""
        return values.reshape(-1, self.grid, self.grid, len(self.table.values))

    def out_of_fold(self, predicted: Numbers, encoded: Encoded) -> float:
        """Mean IoU over cells, each with the class that covers most of it; cells that are mostly void do not count."""
        n = len(self.table.values)
        confusion = np.zeros((n, n), np.int64)
        for responses, truth in self._counted_cells(predicted, encoded):
            confusion += np.bincount(truth * n + responses.argmax(axis=-1), minlength=n * n).reshape(n, n)
        hits, union = np.diag(confusion), confusion.sum(axis=0) + confusion.sum(axis=1) - np.diag(confusion)
        occurs = confusion.sum(axis=1) > 0
        return float(np.mean(hits[occurs] / union[occurs])) if occurs.any() else 0.0

    def _counted_cells(
        self, predicted: Numbers, encoded: Encoded, views: NDArray[np.intp] | None = None
    ) -> Iterator[tuple[Numbers, NDArray[np.intp]]]:
        """The cells that are not mostly void: responses ``(m, C)`` and the class that covers most ``(m,)``."""
        views = np.arange(len(predicted)) if views is None else views
        for start in range(0, len(views), _VIEWS):
            rows = views[start : start + _VIEWS]
            truth = majority(self.cells(encoded.values[rows]))
            yield self.cells(predicted[rows])[truth >= 0], truth[truth >= 0]

    def refine(self, predicted: Numbers, encoded: Encoded, folds: NDArray[np.intp]) -> LinearProbe | None:
        """The map M, by ridge on out-of-fold responses; None where fewer than two folds have a cell that counts."""
        n = len(self.table.values)
        moments = Moments(n, n, FOLDS, dtype="float64")
        counted = 0
        for fold in range(FOLDS):
            before = moments.n_rows
            for responses, truth in self._counted_cells(predicted, encoded, np.flatnonzero(folds == fold)):
                moments.update(responses, np.eye(n, dtype=np.float32)[truth], fold)
            counted += moments.n_rows > before
        if counted < 2:
            return None
        solution = fit(moments, fit_intercept=False)
        return LinearProbe(None, solution.coef.astype(np.float32), solution.intercept, normalise=False)

    def stages(self, method: str, predicted: Numbers, refinement: LinearProbe | None) -> dict[str, Numbers]:
        """The regressors' responses, and those after M."""
        if refinement is None:
            return {method: predicted}
        refined = self.cells(predicted) @ refinement.coef.T
        return {method: predicted, f"{method}{REFINED}": refined.reshape(predicted.shape)}

    def ablations(self, views: Views) -> Mapping[str, NDArray[np.intp]]:
        """Without the crops, where there are any."""
        return {UNAUGMENTED: first_views(views)} if self.augment > 1 else {}

    def truth(self, views: Views) -> Masks:
        """The test pictures' labels, in the pictures' own size."""
        with ThreadPoolExecutor() as pool:
            return tuple(pool.map(lambda row: self.table.labels(views.examples[row]), views.rows))

    def scores(self, predicted: Numbers, truth: Masks, bootstrap: Bootstrap, *, brief: bool = False) -> Scores:
        """``miou`` (VOC's segmentation accuracy), ``pixel_ap`` and ``pixel_accuracy``.

        ``miou`` and ``pixel_ap`` are of each class, and in subset ``all`` the mean over the classes that occur in the
        test pictures. Pixels are those of all test pictures together, void left out.
        """
        counts = count_pixels(self.cells(predicted), truth, ranked=not brief)
        return {("miou", "all"): self._iou(counts, bootstrap)["miou", "all"]} if brief else self._all(counts, bootstrap)

    def _all(self, counts: PixelCounts, bootstrap: Bootstrap) -> Scores:
        precision = counts.average_precision(), counts.average_precision(bootstrap.weights)
        n = _pictures(counts.present.any(axis=1), bootstrap)
        accuracy = Score(float(counts.accuracy()), counts.accuracy(bootstrap.weights), *n)
        return {
            **self._iou(counts, bootstrap),
            **self._by_class("pixel_ap", *precision, counts, bootstrap),
            ("pixel_accuracy", "all"): accuracy,
        }

    def _iou(self, counts: PixelCounts, bootstrap: Bootstrap) -> Scores:
        return self._by_class("miou", counts.iou(), counts.iou(bootstrap.weights), counts, bootstrap)

    def _by_class(
        self, metric: str, values: Floats, resampled: Floats, counts: PixelCounts, bootstrap: Bootstrap
    ) -> Scores:
        """A metric of each class, ``(C,)`` and ``(B, C)``, and its mean."""
        means = (mean_over_classes(x, counts.occurs) for x in (values, resampled))
        mean, resampled_mean = means
        labelled = _pictures(counts.present.any(axis=1), bootstrap)
        found = {(metric, "all"): Score(float(mean), resampled_mean, *labelled)}
        for c, name in enumerate(self.table.names):
            own = _pictures(counts.present[:, c] > 0, bootstrap)
            found[metric, name] = Score(float(values[c]), resampled[:, c], *own)
        return found

    def measure(self, predicted: Numbers, truth: Masks, bootstrap: Bootstrap) -> Measured:
        """Scores and errors from one count, which is kept: of any resample, it gives ``miou`` exactly."""
        counts = count_pixels(self.cells(predicted), truth)
        kept = np.stack([counts.hits, counts.called, counts.present], axis=-1).astype(np.int32)
        return Measured(self._all(counts, bootstrap), counts.wrong, {"pixels": kept})

    def errors(self, predicted: Numbers, truth: Masks) -> Floats:
        """The share of each picture's labelled pixels that is called something else ``(N,)``."""
        return count_pixels(self.cells(predicted), truth, ranked=False).wrong

    def arrays(self, truth: Masks) -> dict[str, NDArray[Any]]:
        """``truth`` ``(N, 224, 224)`` (squashed as the kept pictures are), ``classes`` and ``colours`` ``(C, 3)``."""
        return {
            "truth": np.stack([squashed(labels, PICTURE_SIZE) for labels in truth]),
            "classes": np.array(self.table.names),
            "colours": self.colours,
        }

    @property
    def colours(self) -> NDArray[np.uint8]:
        """``(C, 3)``: VOC's colour of each class's mask value."""
        return np.array(voc_colours(len(self.classes)), np.uint8)[list(self.table.values)]

    def picture(self, predicted: Numbers, pixels: Pixels) -> Pixels:
        """The photograph beside its map, with the colours of the classes."""
        return mapped_photograph(pixels, self.cells(predicted)[0], self.table.names, self.colours)

    def describe(self, predicted: Numbers) -> dict[str, Any]:
        """The share of the picture's area that is called each class, largest first."""
        labels = map_of(self.cells(predicted)[0], (PICTURE_SIZE, PICTURE_SIZE))
        shares = np.bincount(labels.ravel(), minlength=len(self.table.names)) / labels.size
        order = np.argsort(-shares, kind="stable")
        return {"classes": {self.table.names[k]: round(float(shares[k]), 4) for k in order if shares[k] > 0}}

    def to_json(self) -> dict[str, Any]:
        """The fields."""
        return asdict(self)


def segmentation_of(
    train: Dataset, grid: int, augment: int, smallest_crop: float, seed: int, targets: Targets = "shares"
) -> Segmentation:
    """The task on a data set's own classes.

    Raises:
        VestigeError: where it has fewer than two classes that count, or an option makes no sense.
    """
    task = Segmentation(train.classes, train.void, grid, augment, smallest_crop, seed, targets)
    if len(task.table.values) < 2 or not any(example.mask is not None for example in train):
        raise VestigeError(
            f"{train.spec}: has no masks of at least two classes, which segmentation needs; "
            "try voc-segmentation:DIR or synthetic:objects"
        )
    return task


def squashed(labels: Labels, size: int) -> Labels:
    """Labels ``(H, W)`` at the pixel centres of a square of ``size`` pixels."""
    rows, columns = (((np.arange(size) + 0.5) * length / size).astype(np.intp) for length in labels.shape)
    found: Labels = labels[rows[:, None], columns]
    return found


def _pictures(known: ArrayLike, bootstrap: Bootstrap) -> tuple[int, int]:
    """How many pictures ``(N,)`` are known, and in how many groups they are."""
    return int(np.sum(known)), bootstrap.count(known)


def _listed(classes: Sequence[str], void: int | None) -> str:
    names = ", ".join(name for k, name in enumerate(classes) if k != void)
    return names or "none"


def check_segmentation(data: tuple[Dataset, Dataset], options: SegmentationOptions, probing: VectorOptions) -> None:
    """Refuse data without masks, or of other classes than are trained."""
    check_vectors(segmentation_of(data[0], **asdict(options)), *data, probing)


def measure_segmentation(
    session: Session, data: tuple[Dataset, Dataset], options: SegmentationOptions, probing: VectorOptions
) -> Found:
    """The segmentation probe on the training data's own classes, as the task has it."""
    train, test = data
    return probe_vectors(segmentation_of(train, **asdict(options)), train, test, probing, session, made_with=(options,))


def bench_segmentation(
    session: Session, data: tuple[Dataset, Dataset], options: SegmentationOptions, probing: VectorOptions
) -> Bench:
    """Pictures and their classes made ready to compare layers on."""
    return bench_vectors(segmentation_of(data[0], **asdict(options)), *data, probing, session)


def load_segmentation(run: Run) -> Trained:
    """What a finished run of classes was trained to do."""
    return load_trained_vectors(run, Segmentation)


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
