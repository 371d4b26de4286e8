"""The tables and figures of "Persistent Evidence of Local Image Properties in Generic ConvNets", from runs."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from vestige.images import ImageFile
from vestige.papers.reproduction import Exhibit, MeasuredRow, Runs, beside_published, classes_of, figure_of, row_of
from vestige.published import Column, paper
from vestige.report.blocks import Block, Gallery, Tile
from vestige.results import Results, Row, resampled

PAPER = "persistent-evidence"
FACES = ("helen", "lfpw", "ibug")
"""The paper's data sets of faces, as its Table 1 has them."""

PORTRAIT = Path("portrait") / "portrait.png"
"""Fig. 1, beside the runs' folders."""

METHODS = {
    "mean": "Dataset Bias",
    "rgb": "RGB + ridge",
    "untrained": "Untrained network + ridge",
    "ridge": "Network + ridge",
    "look-back": "Network + look-back",
}
"""Measured rows, in the paper's words where it has the method."""


def _faces(runs: Runs) -> tuple[Block, ...]:
    results = {name: run.results() for name, run in runs.items()}

    def find(method: str, column: Column) -> Row | None:
        return row_of(results.get(f"landmarks-{column.match}"), method, "nme_inter_ocular")

    measured = [MeasuredRow(label, partial(find, method), method=method) for method, label in METHODS.items()]
    points = ", ".join(f"{name.removeprefix('landmarks-')} {_points(each)}" for name, each in results.items())
    note = (
        f"Points measured here: {points}; of other points the error is another. Small figures: 95 % bootstrap interval "
        f"over {resampled(*(each.data for each in results.values()))}."
    )
    return (beside_published(paper(PAPER).table("landmarks"), measured, 3, note),)


def _points(results: Results) -> int:
    """How many points a landmark run is about."""
    return len(results.config["markup"]["points"])


def _keypoints(runs: Runs) -> tuple[Block, ...]:
    results = next(iter(runs.values())).results()

    def find(method: str, column: Column) -> Row | None:
        return row_of(results, method, "pck@0.1", column.match)

    labels, classes = {**METHODS, "mean": "Mean shape"}, classes_of(results)
    measured = [
        MeasuredRow(label, partial(find, method), 100, classes=classes, method=method)
        for method, label in labels.items()
    ]
    over = resampled(results.data, what="test objects")
    note = f"PCK at alpha = 0.1, mean over keypoint types; small figures: 95 % bootstrap interval over {over}."
    return (beside_published(paper(PAPER).table("keypoints"), measured, 1, note),)


def _segmentation(runs: Runs) -> tuple[Block, ...]:
    results = next(iter(runs.values())).results()
    names = list(dict.fromkeys(row.method for row in results.rows))

    def find(method: str, metric: str, column: Column) -> Row | None:
        return row_of(results, method, metric, column.match)

    metrics, classes = {"miou": "intersection over union", "pixel_ap": "pixel average precision"}, classes_of(results)
    measured = [
        MeasuredRow(
            f"{METHODS.get(method, method)}: {said}", partial(find, method, metric), 100, classes=classes, method=method
        )
        for metric, said in metrics.items()
        for method in names
    ]
    note = (
        "The paper calls its numbers mean average precision and compares them with VOC’s segmentation accuracy, which "
        "is intersection over union; both measures are given."
    )
    return (beside_published(paper(PAPER).table("segmentation"), measured, 2, note),)


def _portrait(runs: Runs) -> tuple[Block, ...]:
    """Fig. 1, where it was made."""
    path = next(iter(runs.values())).folder.parent / PORTRAIT
    if not path.is_file():
        return ()
    said = "One photograph, and what the runs’ linear maps read out of it"
    tile = Tile(ImageFile(path).read(), "", f"{said}: points, colours, classes.")
    caption = f"{said}; the line above the panels says whether out of one descriptor. The numbers are in portrait.json."
    return (Gallery("portrait", (tile,), caption, 1),)


def _figure(name: str, runs: Runs) -> tuple[Block, ...]:
    return figure_of(list(runs.values()), name)


_LANDMARKS = tuple(f"landmarks-{name}" for name in FACES)

EXHIBITS = (
    Exhibit("table 1", "facial landmarks", _LANDMARKS, _faces),
    Exhibit("table 2", "object keypoints", ("keypoints",), _keypoints),
    Exhibit("table 3", "semantic segmentation", ("segmentation",), _segmentation),
    Exhibit(
        "figure 1",
        "everything read out of one photograph",
        (*_LANDMARKS, "keypoints", "segmentation", "pixels"),
        _portrait,
    ),
    Exhibit("figure 2a", "error by part of the face", _LANDMARKS, partial(_figure, "error-by-part")),
    Exhibit("figure 2b", "PCK against alpha", ("keypoints",), partial(_figure, "pck-by-class")),
    Exhibit("figure 3", "ground truth, ridge, look-back", ("landmarks-helen",), partial(_figure, "triplets")),
    Exhibit("figure 4", "colours read out of the representation", ("pixels",), partial(_figure, "random-pictures")),
    Exhibit("figure 5", "probabilities of classes", ("segmentation",), partial(_figure, "probabilities")),
    Exhibit("figure 6", "moving along semantic directions", ("directions",), partial(_figure, "directions")),
)
"""The paper's, tables first."""
