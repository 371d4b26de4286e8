"""The keypoint probe (section 3.1, "Object Keypoints"): where are an object's parts?

As the landmark probe, with the crop about the object's box and one set of regressors per class: each is trained on
the examples of its class alone, and on each keypoint where it is visible.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from vestige.contract.bench import Bench
from vestige.contract.found import Found
from vestige.contract.session import Session
from vestige.datasets.dataset import Dataset
from vestige.errors import VestigeError
from vestige.features.reader import Read, Reader
from vestige.geometry import Points
from vestige.images import Crop
from vestige.probes.engine.layer_bench import Candidate, LayerBench
from vestige.probes.engine.layer_probe import bench_layers, probe_layers
from vestige.probes.engine.lookback import look_back_name
from vestige.probes.engine.points import check_points, markup_of
from vestige.probes.engine.vector_methods import MAIN, VectorMethod
from vestige.probes.engine.vector_probe import Fitted, ReadyLayer, VectorBench, vector_bench
from vestige.probes.keypoints.classes import class_examples, find_classes
from vestige.probes.keypoints.codec import KeypointMethod, Keypoints
from vestige.probes.keypoints.task import KeypointOptions
from vestige.probes.keypoints.trained import SavedKeypoints
from vestige.progress import Say
from vestige.results import Row


def check_keypoints(data: tuple[Dataset, Dataset], options: KeypointOptions) -> None:
    """Refuse data without keypoints, or without a class that can be trained and tested."""
    train, test = data
    keypoints_of(train, options)[0].check(test)


def measure_keypoints(session: Session, data: tuple[Dataset, Dataset], options: KeypointOptions) -> Found:
    """:func:`probe_keypoints`, as the task has it."""
    return probe_keypoints(*data, options, session)


def probe_keypoints(
    train: Dataset,
    test: Dataset,
    options: KeypointOptions = KeypointOptions(),
    session: Session | None = None,
) -> Found:
    """Train the keypoint probe and its baselines, and measure them.

    Args:
        train: examples with keypoints, boxes and categories (without one, all are of the class ``object``).
        test: the same of other examples; nothing is chosen on it.
        options: of the measurement.
        session: None for the default cache and device, and lines on standard error.

    Raises:
        VestigeError: where the data have no points, other points than expected, or too few pictures of every class.
    """
    return probe_layers(keypoint_bench, train, test, options, session)


def bench_keypoints(session: Session, data: tuple[Dataset, Dataset], options: KeypointOptions) -> Bench:
    """The objects made ready to compare layers on; there is no look-back."""
    return bench_layers(keypoint_bench, *data, replace(options, look_backs=0), session)


@dataclass(frozen=True)
class FittedClasses(Candidate):
    """One layer and readout, fitted on the training views of every class."""

    by_class: tuple[Fitted, ...]


@dataclass(frozen=True)
class KeypointBench(LayerBench[FittedClasses]):
    """The objects made ready: a bench for each class."""

    target: Keypoints
    benches: tuple[VectorBench, ...]

    @property
    def crops(self) -> Sequence[Sequence[Crop]]:
        """Those of every class's training and test views."""
        return [crops for bench in self.benches for crops in bench.crops]

    @property
    def n_views(self) -> int:
        """How many training views there are of all classes."""
        return sum(bench.n_views for bench in self.benches)

    @property
    def classes(self) -> int:
        """How many fits a layer takes."""
        return len(self.benches)

    def mean(self) -> KeypointMethod:
        """The mean shape of every class."""
        return KeypointMethod(tuple(bench.mean() for bench in self.benches))

    def layers(self, spec: str, reads: Sequence[Read], *, normalise: bool = True) -> list[tuple[ReadyLayer, ...]]:
        """Every layer of a backbone, extracted for every class."""
        several = [bench.layers(spec, reads, normalise=normalise) for bench in self.benches]
        return list(zip(*several, strict=True))

    def is_large(self, layer: tuple[ReadyLayer, ...]) -> bool:
        """Whether the rows of a class are shared out."""
        return any(bench.is_large(own) for bench, own in zip(self.benches, layer, strict=True))

    def fitted(self, layer: tuple[ReadyLayer, ...]) -> tuple[FittedClasses, Points]:
        """A layer, fitted for every class, and what it predicts of the test examples."""
        of_layer = [bench.fitted(own) for bench, own in zip(self.benches, layer, strict=True)]
        by_class = tuple(fitted for fitted, _ in of_layer)
        found = {points: own for points, (_, own) in zip(self.target.classes, of_layer, strict=True)}
        out_of_fold = self._out_of_fold([fitted.predicted for fitted in by_class])
        first, fits = by_class[0], tuple(fitted.fit for fitted in by_class)
        placed = self.target.placed(found, self.test_views.examples)
        return FittedClasses(first.read, first.source, fits, out_of_fold, by_class), placed

    def _out_of_fold(self, predicted: Sequence[Points]) -> float:
        encoded = [bench.encoded for bench in self.benches]
        return self.target.out_of_fold(predicted, encoded)

    def method(
        self, name: str, fitted: FittedClasses, say: Say, seed: int | None = None
    ) -> tuple[KeypointMethod, Sequence[Row]]:
        """The regressors of every class under their name, with their looks; and the Rows of these looks on folds, where
        a class without a later look stays as the look before left it."""
        methods, stages = [], []
        for points, bench, own in zip(self.target.classes, self.benches, fitted.by_class, strict=True):
            looks = bench.look_back(own, _saying(points.name, say)) if name == MAIN else ()
            methods.append(VectorMethod(name, own.fit.probe, None, seed, tuple(look for look, _ in looks)))
            stages.append([own.predicted, *(predicted for _, predicted in looks)])
        rows = []
        for turn in range(max(map(len, stages)) - 1):
            predicted = [own[min(turn + 1, len(own) - 1)] for own in stages]
            rows.append(self.folds_row(look_back_name(turn), self._out_of_fold(predicted), fitted.source))
        return KeypointMethod(tuple(methods)), rows

    def saved(self, methods: Sequence[KeypointMethod]) -> SavedKeypoints:
        """What the run's folder holds of methods."""
        return SavedKeypoints(self.target, self.seed, tuple(methods))


def _saying(name: str, say: Say) -> Say:
    """Tells of what is done for a class."""
    return lambda text: say(f"{name}: {text}")


def keypoint_bench(train: Dataset, test: Dataset, options: KeypointOptions, reader: Reader) -> KeypointBench:
    """Training and test examples made ready.

    Raises:
        VestigeError: where points are missing, or no class can be trained or measured.
    """
    target, notes = keypoints_of(train, options)
    target.check(test)
    benches = []
    for points in target.classes:
        codec = target.of_class(points)
        own, tested = (
            replace(data, examples=class_examples(data, points)[1], markup=codec.markup) for data in (train, test)
        )
        benches.append(vector_bench(codec, own, tested, options, reader))
    return KeypointBench(target, reader, train, test, options.seed, notes, tuple(benches))


def keypoints_of(train: Dataset, options: KeypointOptions) -> tuple[Keypoints, tuple[str, ...]]:
    """The task and its classes that the data allow, and what had to be given up.

    Raises:
        VestigeError: where the data have no points, or no class can be trained.
    """
    markup, lacks = markup_of(train, "keypoints", options)
    check_points(train, markup)
    try:
        classes, notes = find_classes(train, markup, options.seed, mirror=options.mirror)
    except VestigeError as error:
        raise VestigeError(f"{train.spec}: {error}") from error
    looks = options.look_backs, options.margin_quantile
    target = Keypoints(markup, options.box_margin, options.alphas, classes, options.mirror, *looks)
    return target, (*notes, *lacks)
