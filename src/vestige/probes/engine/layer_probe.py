"""The probe of anything that is fitted layer by layer: its baselines, the sweep over layers, and the fit at the layer
that folds chose.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from vestige.contract.bench import Bench
from vestige.contract.found import Found
from vestige.contract.session import Session
from vestige.datasets.dataset import Dataset
from vestige.features.reader import Reader
from vestige.probes.engine.codec import AnyMethod
from vestige.probes.engine.evaluate_vectors import evaluate_vectors
from vestige.probes.engine.fit import describe_fits
from vestige.probes.engine.layer_bench import LayerBench, Swept
from vestige.probes.engine.options import ProbeOptions
from vestige.probes.engine.vector_methods import MAIN
from vestige.probes.engine.views import decodable
from vestige.results import Row
from vestige.spec import parse_backbone_spec
from vestige.text import count

B = TypeVar("B", bound=LayerBench[Any])

Prepare = Callable[[Dataset, Dataset, Any, Reader], B]
"""Makes a bench of training and test examples that can be decoded, options and a reader."""


def bench_layers(
    prepare: Prepare[LayerBench[Any]],
    train: Dataset,
    test: Dataset,
    options: ProbeOptions,
    session: Session,
    notes: Sequence[str] = (),
) -> Bench:
    """Data made ready to compare layers on; arguments and errors as of :func:`probe_layers`."""
    bench = decoded_bench(prepare, train, test, options, session)
    target = bench.target
    return Bench(
        bench.train,
        bench.test,
        target.metric,
        target.metrics,
        target.known_methods,
        options.rgb,
        bench,
        target.config,
        (*notes, *bench.notes, *target.notes(bench.test)),
    )


def probe_layers(
    prepare: Prepare[LayerBench[Any]],
    train: Dataset,
    test: Dataset,
    options: ProbeOptions,
    session: Session | None,
    made_with: Sequence[Any] = (),
    notes: Sequence[str] = (),
) -> Found:
    """Train a probe and its baselines on every layer, and measure them at the layer that training folds choose.

    Args:
        prepare: the bench of the data that can be decoded.
        train: examples.
        test: likewise; nothing is chosen on it.
        options: of the probe.
        session: None for the default cache and device, and lines on standard error.
        made_with: other options, for the run to keep.
        notes: what a reader of the numbers must know, likewise.

    Raises:
        VestigeError: where the data lack what is read, or there are fewer groups than folds.
    """
    started = time.monotonic()
    session = session or Session.on_stderr()
    reader, say = session.reader, session.say
    options = replace(options, layers=reader.backbone(options.backbone).select(options.layers))
    reads = reader.reads(options.backbone, options.layers, options.readouts)
    bench = decoded_bench(prepare, train, test, options, session)
    sweep: list[Row] = []

    def method(name: str, fitted: Any, seed: int | None = None) -> AnyMethod:
        found, later = bench.method(name, fitted, say, seed)
        sweep.extend(later)
        return found

    twins = [parse_backbone_spec(options.backbone).with_random_weights(seed).text for seed in _seeds(options)]
    sweeps = bench.sweeps(
        [
            Swept(options.rgb, reader.reads(options.rgb, ["all"]), "rgb", normalise=False),
            *(Swept(twin, reads, "untrained", seed) for twin, seed in zip(twins, _seeds(options), strict=True)),
            Swept(options.backbone, reads, MAIN),
        ]
    )
    say("baselines: mean and RGB")
    methods = [bench.mean()]
    pixels, _ = next(sweeps)
    methods.append(method("rgb", pixels))
    del pixels  # what training held is let go of
    for seed in _seeds(options):
        say(f"untrained network, seed {seed}")
        untrained, rows = next(sweeps)
        sweep += rows
        methods.append(method("untrained", untrained, seed))
        del untrained

    say(f"{options.backbone}: {count(len(reads), 'layer')}")
    best, rows = next(sweeps)
    del sweeps  # and features that it holds in memory
    sweep += rows
    methods.append(method(MAIN, best))
    methods += [method(name, fitted) for name, fitted in bench.ablated(best, say)]

    say("test")
    target = bench.target
    evaluation = evaluate_vectors(methods, target, options.seed, bench.test, reader)
    return Found(
        task=target.task,
        options=(options, *made_with),
        config={**target.config, "metric": target.metric},
        data={"train": bench.train, "test": bench.test},
        backbone=best.source.to_json(best.read.size),
        rows=evaluation.rows,
        arrays=evaluation.arrays,
        metrics=target.metrics,
        methods=target.known_methods,
        extraction=reader.options,
        seconds=time.monotonic() - started,
        sweep=tuple(sweep),
        notes=(*notes, *bench.notes, *evaluation.notes),
        ridge=describe_fits(best.fits),
        fitted=bench.saved(methods),
    )


def _seeds(options: ProbeOptions) -> range:
    """Of the networks with random weights."""
    return range(options.untrained_seeds)


def decoded_bench(prepare: Prepare[B], train: Dataset, test: Dataset, options: ProbeOptions, session: Session) -> B:
    """The bench of the pictures that can be decoded."""
    reader = session.reader
    session.say("reading pictures")
    return prepare(decodable(train, options.rgb, reader), decodable(test, options.rgb, reader), options, reader)
