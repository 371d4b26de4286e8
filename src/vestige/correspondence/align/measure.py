"""Intraclass alignment (section 3, Fig. 3, Table 2): do features bring instances of a class into correspondence?

Every test instance is aligned with its nearest neighbours among the training instances of its class, and takes its
keypoints from them. Features of a network and of SIFT are computed at the same places, for the same neighbours.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vestige.backbones import Layer
from vestige.contract.found import Found
from vestige.contract.session import Session
from vestige.correspondence.align.aligner import Aligner, Transferred, gallery
from vestige.correspondence.align.task import ALIGN, AlignOptions
from vestige.correspondence.grids import Cells, Grids, SiftGrids, layer_cells, network_grids
from vestige.correspondence.instances import Instances, describe_points
from vestige.correspondence.matched import MatchedInstances, check_instances, match_instances
from vestige.correspondence.transfers import (
    MEAN,
    NEAREST,
    TRANSFERS,
    UNALIGNED,
    agreed,
    copied,
    mean_points,
    measure_transfers,
    truth_of,
)
from vestige.datasets.dataset import Dataset
from vestige.errors import VestigeError
from vestige.features.reader import Read, Reader
from vestige.geometry import Points, from_unit
from vestige.intervals import mean_known
from vestige.methods import ACCENTS, Method
from vestige.metrics import Metric
from vestige.progress import Say
from vestige.results import Row
from vestige.scores import PCK_METRICS, class_pck, metric_of
from vestige.spelling import spelled
from vestige.text import count

SIFT = "flow:sift"
"""SIFT's flow on the chosen layer's grid."""

METRICS: Mapping[str, Metric] = PCK_METRICS

_OTHERS = ACCENTS[2:]  # the first two are the chosen layer's and SIFT's

FEWEST_CELLS = 12
"""Along each side of the grid of the layer that is taken where none is named (the paper's conv4 has 13)."""

FOLDS = 5
"""Of the training data: where betas are tried, an instance's neighbours are in other folds."""


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


def check_alignment(data: tuple[Dataset, Dataset], options: AlignOptions) -> None:
    """Refuse data without instances of common classes, or too few to choose betas on."""
    check_instances(*data, FOLDS if len(options.betas) > 1 else 1)


def measure_alignment(session: Session, data: tuple[Dataset, Dataset], options: AlignOptions) -> Found:
    """:func:`align_instances`, as the task has it."""
    return align_instances(*data, options, session)


def align_instances(
    train: Dataset, test: Dataset, options: AlignOptions = AlignOptions(), session: Session | None = None
) -> Found:
    """Carry keypoints from training to test instances, by flow and without, and measure where they land.

    Args:
        train: examples with keypoints and boxes, and categories where there are several.
        test: the same of other examples; nothing is chosen on it.
        options: of the measurement.
        session: None for the default cache and device, and lines on standard error.

    Raises:
        VestigeError: where the data have no keypoints or boxes, no test example is of a class that the training data
            have, or a layer is no grid.
    """
    started = time.monotonic()
    session = session or Session.on_stderr()
    reader = session.reader
    prepared = prepare(train, test, options, reader, session.say)
    matched = prepared.matched
    work = _Work(prepared, options, session)
    choices = [work.choose(feature) for feature in prepared.features]
    chosen = best_layer(choices)
    flows = {method_of(choice, chosen): choice for choice in choices}
    aligners = {method: work.aligner(choice) for method, choice in flows.items()}
    transferred = {method: work.transfer(method, aligner) for method, aligner in aligners.items()}
    methods = {
        MEAN: mean_points(matched.train, matched.test),
        NEAREST: copied(matched.train, matched.neighbours, 1),
        UNALIGNED: copied(matched.train, matched.neighbours, options.first),
        **{method: least_deformed(found, options.first) for method, found in transferred.items()},
    }
    best = method_of(chosen, chosen)
    beside = {
        _at_beta(method, beta): least_deformed(work.transfer(method, replace(aligner, beta=beta)), options.first)
        for method, aligner in aligners.items()
        for beta in options.beside
    }
    measured = measure_transfers(methods, matched.test, options.alphas, options.seed, _pairs(flows, best), beside)
    shown = {method: aligners[method] for method in (best, SIFT) if method in aligners}
    betas = {method: choice.beta for method, choice in flows.items()}
    return Found(
        task=ALIGN,
        options=(options,),
        config={
            "metric": metric_of(options.alphas[0]),
            "chosen": best,
            "beta": betas,
            "neighbours_by": {"layer": matched.read.layer.name, "readout": str(matched.read.readout)},
            **describe_points(matched.test.classes, matched.test.names),
        },
        data={"train": matched.train_data, "test": matched.test_data},
        backbone={
            "spec": options.backbone,
            "weights_sha256": reader.backbone(options.backbone).weights_sha256,
            "layer": ", ".join(choice.feature.layer for choice in choices if not choice.feature.sift),
            "readout": "cells",
        },
        rows=measured.rows,
        arrays={
            **measured.arrays,
            "train_ids": np.array([example.id for example in matched.train.examples]),
            "neighbours": matched.neighbours.rows.astype(np.int32),
            "similarity": matched.neighbours.similarity.astype(np.float32),
            **{f"deformation/{m}": each.deformation.astype(np.float32) for m, each in transferred.items()},
            **gallery(matched.test, matched.train, shown, measured.arrays[f"error/{best}"]),
        },
        metrics=METRICS,
        methods=flow_methods(betas, best),
        extraction=reader.options,
        seconds=time.monotonic() - started,
        sweep=(
            *_tried(flows, options, len(matched.train)),
            *_at_given_betas(measured.beside),
            *measured.differences,
        ),
        notes=(*measured.notes, *prepared.notes, *_shortages(matched, methods[best]), *_edges(flows, options)),
    )


def _at_beta(method: str, beta: float) -> str:
    """What a flow at a beta of :attr:`AlignOptions.beside` is called while it is measured."""
    return f"{method} beta={beta:g}"


def _at_given_betas(rows: Sequence[Row]) -> list[Row]:
    """Rows of flows at given betas as the sweep has them: subsets ``beta=0.003`` (all) and ``beta=0.003 CLASS``."""
    found = []
    for row in rows:
        method, _, beta = row.method.rpartition(" ")
        found.append(replace(row, method=method, subset=beta if row.subset == "all" else f"{beta} {row.subset}"))
    return found


def method_of(choice: Choice, chosen: Choice) -> str:
    """The name of a flow's method: ``flow:LAYER``, or ``flow:sift`` on the chosen layer's grid; on another
    grid its layer's name is put behind."""
    feature = choice.feature
    if not feature.sift:
        return f"flow:{feature.layer}"
    return SIFT if feature.cells == chosen.feature.cells else f"{SIFT}-{feature.layer}"


@dataclass(frozen=True)
class _Work:
    """The long part of an alignment."""

    prepared: Prepared
    options: AlignOptions
    session: Session

    def choose(self, feature: GridFeature) -> Choice:
        """A feature's beta: tried on training instances where there is anything to choose, beta or layer."""
        layers = sum(not each.sift for each in self.prepared.features)
        if len(self.options.betas) == 1 and (layers == 1 or feature.sift):
            return Choice(feature, self.options.betas[0], {})
        betas = ", ".join(f"{beta:g}" for beta in self.options.betas)
        self.session.say(f"{_named(feature)}: beta {betas} on training instances")
        return choose_beta(feature, self.prepared.matched, self.options, self.session)

    def aligner(self, choice: Choice) -> Aligner:
        """Of the test instances."""
        matched, feature = self.prepared.matched, choice.feature
        return Aligner(
            feature.test, feature.train, matched.neighbours, matched.train, choice.beta, self.options.tolerance
        )

    def transfer(self, method: str, aligner: Aligner) -> Transferred:
        """The keypoints of the neighbours of all test instances."""
        started, say = time.process_time(), self.session.say
        pairs = int((self.prepared.matched.neighbours.rows >= 0).sum())
        say(f"{method}: {count(pairs, 'pair')}, beta {aligner.beta:g}")
        found = aligner.transfer_all(range(len(self.prepared.matched.test)), self.session)
        took = 1000 * (time.process_time() - started) / max(pairs, 1)
        say(f"{method}: {took:.0f} ms of processor a pair")
        return found


def _named(feature: GridFeature) -> str:
    height, width = feature.cells.shape
    return f"{'SIFT' if feature.sift else feature.layer} on {width} x {height} cells"


def _pairs(flows: Mapping[str, Choice], best: str) -> list[tuple[str, str]]:
    """What is compared: every flow with the nearest neighbour, the best layer's with what else it may be due to."""
    pairs = [(best, NEAREST), (best, UNALIGNED), *([(best, SIFT)] if SIFT in flows else [])]
    return pairs + [(method, NEAREST) for method in flows if method != best]


def _tried(flows: Mapping[str, Choice], options: AlignOptions, trained: int) -> list[Row]:
    """Rows of the betas that were tried."""
    metric = f"train_{metric_of(options.alphas[0])}"
    queries = min(options.queries, trained)
    return [
        Row(method, metric, f"beta={beta:g}", value, None, queries, layer=choice.feature.layer)
        for method, choice in flows.items()
        for beta, value in choice.tried.items()
    ]


def _shortages(matched: MatchedInstances, carried: Points) -> list[str]:
    """What neighbours could not give."""
    notes = []
    lost = int((matched.test.visible & ~np.isfinite(carried).all(axis=-1)).sum())
    if lost:
        notes.append(f"{lost} visible keypoints are shown by no neighbour: they count as missed by every transfer.")
    few = int((matched.neighbours.rows < 0).any(axis=1).sum())
    if few:
        notes.append(f"{few} test instances have fewer neighbours of their class than were asked for.")
    return notes


def _edges(flows: Mapping[str, Choice], options: AlignOptions) -> list[str]:
    """Betas at the end of what was tried."""
    if len(options.betas) < 2:
        return []
    ends = (min(options.betas), max(options.betas))
    return [
        f"{method} took beta {choice.beta:g}, the {'least' if choice.beta == ends[0] else 'largest'} that was tried: "
        "a better one may lie beyond."
        for method, choice in flows.items()
        if choice.beta in ends
    ]


@dataclass(frozen=True)
class GridFeature:
    """One kind of feature on one grid, of all instances.

    Attributes:
        layer: at whose places it is computed.
        sift: whether it is SIFT; else it is the layer's own.
        train: of the training instances.
        test: of the test instances.
    """

    layer: str
    sift: bool
    train: Grids
    test: Grids

    @property
    def cells(self) -> Cells:
        """Where its cells stand."""
        return self.test.cells


@dataclass(frozen=True)
class Prepared:
    """What an alignment starts from.

    Attributes:
        matched: the instances and their neighbours.
        features: every layer's, then SIFT on every different grid.
        notes: what was left out.
    """

    matched: MatchedInstances
    features: tuple[GridFeature, ...]
    notes: tuple[str, ...]


def prepare(train: Dataset, test: Dataset, options: AlignOptions, reader: Reader, say: Say) -> Prepared:
    """Find instances, their grids and their neighbours.

    Raises:
        VestigeError: where a layer is no grid, and as :func:`vestige.correspondence.matched.match_instances`.
    """
    cells, notes = layer_cells(reader.backbone(options.backbone), asked_layers(options, reader))
    read = neighbour_read(options, reader)
    say(f"neighbours by {read.layer.name} ({read.readout}) of {options.backbone}")
    folds = FOLDS if len(options.betas) > 1 or len(cells) > 1 else 1  # where nothing is chosen, none are needed
    matched = match_instances(train, test, read, options.backbone, reader, folds=folds, k=options.neighbours)
    features = _features(cells, (matched.train, matched.test), options, reader, say)
    return Prepared(matched, features, (*notes, *matched.notes))


def asked_layers(options: AlignOptions, reader: Reader) -> tuple[Layer, ...]:
    """The layers that are asked for, or the deepest one with enough cells."""
    backbone = reader.backbone(options.backbone)
    if options.layers:
        return backbone.layers(backbone.select(options.layers))
    fine = [layer for layer in backbone.layers() if layer.kind == "grid" and min(layer.shape[1:]) >= FEWEST_CELLS]
    if not fine:
        raise VestigeError(
            f"{options.backbone} has no grid layer of {FEWEST_CELLS} x {FEWEST_CELLS} cells: name one with "
            f"{spelled('layers')}; vestige layers {options.backbone} lists them"
        )
    return (fine[-1],)


def neighbour_read(options: AlignOptions, reader: Reader) -> Read:
    """The layer and readout that neighbours are found by.

    Raises:
        VestigeError: where the name means several layers, or the readout does not fit.
    """
    backbone = reader.backbone(options.backbone)
    name = options.neighbour_layer or list(backbone.paths)[-1]
    reads = reader.reads(options.backbone, [name])
    if len(reads) > 1:
        raise VestigeError(f"{spelled('neighbour_layer', name)}: is {len(reads)} layers; name one")
    readout = options.neighbour_readout or ("vector" if reads[0].layer.kind == "vector" else "gap")
    return reader.reads(options.backbone, [name], [readout])[0]


def _features(
    cells: dict[str, Cells], parts: Sequence[Instances], options: AlignOptions, reader: Reader, say: Say
) -> tuple[GridFeature, ...]:
    """Every layer's own features, and SIFT on every different grid of theirs."""
    say(f"cells of {', '.join(cells)}")
    crops = [part.crops for part in parts]
    grids = [network_grids(reader, options.backbone, cells, each) for each in crops]
    found = [GridFeature(name, False, grids[0][name], grids[1][name]) for name in cells]
    if not options.sift_radius:
        return tuple(found)
    interpolation = reader.backbone(options.backbone).preprocessing.interpolation
    seen: list[Cells] = []
    for name, places in cells.items():
        if places not in seen:
            seen.append(places)
            pair = [SiftGrids(places, each, options.sift_radius, interpolation) for each in crops]
            found.append(GridFeature(name, True, *pair))
    return tuple(found)


@dataclass(frozen=True)
class Choice:
    """A feature with its beta.

    Attributes:
        feature: a layer's, or SIFT's.
        beta: of the deformation term.
        tried: by beta: PCK on training instances at the first alpha; empty where nothing had to be chosen.
    """

    feature: GridFeature
    beta: float
    tried: Mapping[float, float]

    @property
    def score(self) -> float:
        """PCK on training instances at the chosen beta; 0 where nothing was tried."""
        return self.tried.get(self.beta, 0.0)


def choose_beta(
    feature: GridFeature,
    matched: MatchedInstances,
    options: AlignOptions,
    session: Session,
) -> Choice:
    """Carry keypoints between training instances of different folds at every beta; of equal betas the first.

    Args:
        feature: a layer's, or SIFT's.
        matched: the instances.
        options: what to try, and on how many instances.
        session: keeps what is done; it reports progress in pairs, anew with every beta.
    """
    rows = tried_rows(len(matched.train), options)
    tried = {}
    for beta in options.betas:
        aligner = Aligner(
            feature.train, feature.train, matched.train_neighbours, matched.train, beta, options.tolerance
        )
        found = aligner.transfer_all(rows.tolist(), session)
        points = least_deformed(found, options.first)
        truth = truth_of(matched.train.subset(rows))
        distances = truth.distances(from_unit(points, matched.train.boxes[rows]))
        rates = [
            class_pck(distances[truth.classes == name], truth.visible[truth.classes == name], options.alphas[0])
            for name in np.unique(truth.classes)
        ]
        tried[beta] = float(mean_known(np.array(rates)))
    return Choice(feature, max(tried, key=lambda beta: tried[beta]), tried)


def least_deformed(found: Transferred, first: int) -> Points:
    """The keypoints ``(N, K, 2)`` that the first neighbours agree on, in the order of their deformation energy.

    Of equally deformed neighbours the nearest comes first.
    """
    return agreed(found.points, np.argsort(found.deformation, axis=1, kind="stable"), first)


def tried_rows(n: int, options: AlignOptions) -> NDArray[np.intp]:
    """The training instances that are tried: drawn at random, in order."""
    drawn = np.random.default_rng(options.seed).permutation(n)[: options.queries]
    rows: NDArray[np.intp] = np.sort(drawn)
    return rows


def best_layer(choices: Sequence[Choice]) -> Choice:
    """The network's layer that is best on training instances; of equal ones the first."""
    return max((choice for choice in choices if not choice.feature.sift), key=lambda choice: choice.score)
