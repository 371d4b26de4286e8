"""A finished run on any number of pictures: those that can be read are, the others are listed with the reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vestige.contract.task import Predictor
from vestige.errors import VestigeError
from vestige.example import Example
from vestige.features.reader import Reader
from vestige.geometry import check_box
from vestige.images import ImageFile
from vestige.probes.engine.linear import check_weights
from vestige.probes.engine.trained_vectors import Prediction
from vestige.progress import Say
from vestige.results import Results, Row
from vestige.run import Run
from vestige.spelling import either, spelled
from vestige.text import count

BATCH = 32
"""Pictures that are held at a time."""

_FACE = "of the face, from the brows to the chin and from one side of the jaw to the other, without hair or ears"
_ENCLOSED = {
    "face68": f"{_FACE} (the tight box about its 68 landmarks)",
    "helen194": f"{_FACE} (the tight box about its 194 landmarks)",
}


@dataclass(frozen=True)
class Failure:
    """A picture that nothing was read out of, and why."""

    image: str
    why: str

    def __str__(self) -> str:
        return self.why if self.why.startswith(self.image) else f"{self.image}: {self.why}"


@dataclass(frozen=True)
class Predicted:
    """What a run says of pictures.

    Attributes:
        run: the run.
        method: that predicted: the last stage of ``ridge``.
        markup: the name of the points' markup; "" for what are no points.
        predictions: of the pictures that could be read, in their order.
        failures: the others.
    """

    run: Run
    method: str
    markup: str
    predictions: tuple[Prediction, ...]
    failures: tuple[Failure, ...] = ()


def predict_pictures(
    run: Run,
    predictor: Predictor,
    examples: Sequence[Example],
    reader: Reader,
    *,
    whole: bool = False,
    batch: int = BATCH,
    say: Say | None = None,
) -> Predicted:
    """Predict pictures by a finished run, a few at a time; no features are stored unless the reader does.

    Args:
        run: a finished run of a probe.
        predictor: its own.
        examples: pictures, with their objects' boxes where the run was trained on boxes; what else is known of them
            plays no part.
        reader: of features, computed as the run did.
        whole: take the whole picture of examples without box, although the run was trained on boxes.
        batch: pictures that are held at a time.
        say: told what is done, once nothing is wrong with all of it; None for nobody.

    Raises:
        VestigeError: where the run cannot predict, no example has a box that the run needs, or a prediction is not
            finite.
    """
    check_weights(predictor.probes, reader)
    lacking = "" if whole else lacks_box(run, predictor, examples)
    if say is not None:
        if examples and all(example.box is None for example in examples):
            say("no box: taking the whole picture (or the middle, where the run does), squashed to a square")
        say(f"predicting {count(len(examples), 'picture')}")
    found: list[Prediction] = []
    failures: list[Failure] = []
    quiet = replace(reader, progress=None, begun=None)
    reader.count("photographs", 0, len(examples))
    for start in range(0, len(examples), batch):
        usable = list(_usable(examples[start : start + batch], lacking, failures))
        found += _predict(predictor, usable, quiet, failures)
        reader.count("photographs", min(start + batch, len(examples)), len(examples))
    for each in found:
        if not np.isfinite(each.values).all():
            raise VestigeError(
                f"{run.folder}: what it predicts of {each.looked.name} is not finite; its probe is damaged, run the "
                "command that trained it again"
            )
    return Predicted(run, predictor.stage, predictor.markup, tuple(found), tuple(failures))


def lacks_box(run: Run, predictor: Predictor, examples: Sequence[Example]) -> str:
    """What is wrong with an example without box; "" where the run was trained on whole pictures.

    Raises:
        VestigeError: where it is wrong with all of them.
    """
    if not _needs_boxes(run.results()):
        return ""
    words = _ENCLOSED.get(predictor.markup, "of the object, as tight as those that the run was trained on")
    lacking = (
        f"has no box, and {run.folder} was trained on boxes: give the box {words} "
        f"{either('with --box X0,Y0,X1,Y1 or --boxes FILE', 'as box of the Example')}, or add {spelled('whole', True)} "
        "where it fills the picture"
    )
    if examples and all(example.box is None for example in examples):
        raise VestigeError(f"{_name(examples[0])}: {lacking}")
    return lacking


def _needs_boxes(results: Results) -> bool:
    """Whether the run sees objects through their boxes."""
    if results.task in ("landmarks", "keypoints"):
        return True
    crops = results.config.get("made_of", {}).get("crops")
    boxes = results.data["train"].get("boxes", 0)
    return bool(crops) if crops is not None else bool(results.task == "attributes" and boxes)


def _name(example: Example) -> str:
    return str(example.image.path) if isinstance(example.image, ImageFile) else example.id


def _usable(examples: Sequence[Example], lacking: str, failures: list[Failure]) -> Iterator[Example]:
    """The examples that can be decoded, and whose box lies in their picture or is not needed; the others become
    failures."""
    for example in examples:
        try:
            height, width = example.image.read().shape[:2]  # a damaged picture's features would be a row of zeros
            if example.box is not None:
                check_box(example.box, (width, height))
            elif lacking:
                raise VestigeError(lacking)
        except VestigeError as error:
            failures.append(Failure(_name(example), str(error)))
        else:
            yield example


def _predict(
    predictor: Predictor, examples: Sequence[Example], reader: Reader, failures: list[Failure]
) -> Sequence[Prediction]:
    """Predict some pictures together; one by one where one of them cannot be read, so that the others are."""
    if not examples:
        return []
    try:
        return predictor.predict(examples, reader)
    except VestigeError as error:
        if len(examples) == 1:
            failures.append(Failure(_name(examples[0]), str(error)))
            return []
    return [each for example in examples for each in _predict(predictor, [example], reader, failures)]


def describe_run(predicted: Predicted) -> dict[str, Any]:
    """What a reader of predictions must know of the run: its network, its method, and how far off it is."""
    results = predicted.run.results()
    network = {key: results.backbone.get(key) for key in ("spec", "weights_sha256", "layer", "readout")}
    return {
        "run": str(predicted.run.folder),
        "task": results.task,
        "network": network,
        "method": predicted.method,
        "error": _error(results, predicted.method),
    }


def _error(results: Results, method: str) -> dict[str, Any] | None:
    """How far off the method is: on training pictures that it was not fitted on, else on the run's test pictures."""
    metric = str(results.config["metric"])
    of_fold = f"oof_{metric}"
    chosen = (results.backbone.get("layer"), results.backbone.get("readout"))

    def is_chosen(row: Row) -> bool:
        return (row.method, row.metric, row.subset) == (method, of_fold, "all") and (row.layer, row.readout) == chosen

    kinds: Sequence[tuple[str, Sequence[Row], Callable[[Row], bool]]] = (
        ("out-of-fold predictions of the training data", results.sweep, is_chosen),
        ("the test data", results.rows, lambda row: (row.method, row.metric, row.subset) == (method, metric, "all")),
    )
    for measured_on, rows, matches in kinds:
        for row in rows:
            if matches(row):
                ci95 = None if row.ci95 is None else list(row.ci95)
                return {"metric": metric, "value": row.value, "ci95": ci95, "n": row.n, "measured_on": measured_on}
    return None
