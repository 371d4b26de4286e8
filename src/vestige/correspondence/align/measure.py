"""Intraclass alignment (section 3, Fig. 3, Table 2): do features bring instances of a class into correspondence?

Every test instance is aligned with its nearest neighbours among the training instances of its class, and takes its
keypoints from them. Features of a network and of SIFT are computed at the same places, for the same neighbours.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from vestige.contract.found import Found
from vestige.contract.session import Session
from vestige.correspondence.align.aligner import Aligner, Transferred
from vestige.correspondence.align.betas import Choice, best_layer, choose_beta, least_deformed
from vestige.correspondence.align.methods import METRICS, SIFT, flow_methods
from vestige.correspondence.align.prepare import GridFeature, Prepared, prepare
from vestige.correspondence.align.task import ALIGN, AlignOptions
from vestige.correspondence.gallery import gallery
from vestige.correspondence.instances import describe_points
from vestige.correspondence.matched import MatchedInstances
from vestige.correspondence.transfers import MEAN, NEAREST, UNALIGNED, copied, mean_points, measure_transfers
from vestige.datasets.dataset import Dataset
from vestige.geometry import Points
from vestige.results import Row
from vestige.scores import metric_of
from vestige.text import count


def measure_alignment(session: Session, data: tuple[Dataset, Dataset], options: AlignOptions) -> Found:
    """:func:`align_instances`, as the task has it."""
    return align_instances(*data, options, session)


def align_instances(
    train: Dataset, test: Dataset, options: AlignOptions = AlignOptions(), session: Session | None = None
) -> Found:
    """Carry keypoints from training to test instances, by flow and without, and measure where they land.

    Args:
        train: examples with keypoints and boxes, and categories where there are several.
        test: likewise; nothing is chosen on it.
        options: see there.
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
