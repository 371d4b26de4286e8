"""What ``vestige predict`` leaves in a folder: a picture for each prediction, and ``predictions.json`` over all.

Nothing that was there is replaced, but for what vestige itself wrote there, where that is asked for.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vestige.documents import Json, read_json
from vestige.errors import VestigeError
from vestige.files import disk_errors, refuse_existing, write_json
from vestige.images import save_image
from vestige.picture_files import is_drawn
from vestige.probes.engine.predict_run import Predicted, describe_run
from vestige.probes.engine.trained_vectors import Prediction
from vestige.results import now
from vestige.spelling import either, spelled
from vestige.version import __version__

FILE = "predictions.json"
SCHEMA = 1
COORDINATES = (
    "x to the right, y down, in pixels of the picture, continuous: pixel i covers [i, i + 1), so its centre is at "
    "i + 0.5; boxes are x0, y0, x1, y1"
)

_LONGEST = 100  # characters of a picture's name


@dataclass(frozen=True)
class PredictionFile:
    """What ``predictions.json`` says, as it is read again.

    Attributes:
        vestige: the version that wrote it.
        task: of the run.
        run: the run's folder.
        network: spec, weights_sha256, layer and readout.
        method: that predicted.
        error: how far off it is: metric, value, ci95, n, and what it was measured on; None where that is not known.
        units: of all coordinates.
        coordinates: their convention.
        created: local time in ISO format.
        pictures: the files that were drawn.
        predictions: one for each object.
        failed: pictures that could not be read, and why.
        schema: of the document.
    """

    vestige: str
    task: str
    run: str
    network: dict[str, str | None]
    method: str
    error: dict[str, Json] | None
    units: str
    coordinates: str
    created: str
    pictures: list[str]
    predictions: list[dict[str, Json]]
    failed: list[dict[str, str]]
    schema: int = SCHEMA


@dataclass(frozen=True)
class _Earlier:
    """What is read of a file of either format that is there already."""

    vestige: str = ""
    pictures: list[str] = field(default_factory=list)
    info: dict[str, Json] = field(default_factory=dict)

    @property
    def drawn(self) -> list[str]:
        """The pictures that it lists."""
        listed = self.info.get("pictures", self.pictures)
        return [str(name) for name in listed] if isinstance(listed, list) else []


def check_prediction_folder(folder: Path, *, overwrite: bool = False) -> None:
    """Refuse, before anything is computed, a folder that predictions cannot be written into.

    Raises:
        VestigeError: where it holds predictions and ``overwrite`` is off, or a ``predictions.json`` that vestige did
            not write.
    """
    if not str(folder).strip() or (not folder.name and not folder.is_dir()):
        raise VestigeError(f"{spelled('folder')}: expected the name of a folder")
    if folder.exists() and not folder.is_dir():
        raise VestigeError(f"{folder}: is no folder; choose another {spelled('folder')}")
    refuse_existing(folder / FILE, overwrite=overwrite)
    _drawn_before(folder)


def _drawn_before(folder: Path) -> list[str]:
    """The pictures that the predictions in a folder list; none where there are no predictions."""
    path = folder / FILE
    if not path.is_file():
        return []
    foreign = VestigeError(f"{path}: is no file that vestige predict wrote; choose another {spelled('folder')}")
    try:
        earlier = read_json(path, _Earlier, what="predictions")
    except VestigeError as error:
        raise foreign from error
    if not (earlier.vestige or earlier.info.get("vestige")):
        raise foreign
    return earlier.drawn


def write_predictions(
    predicted: Predicted,
    folder: Path,
    *,
    coco: bool = False,
    overwrite: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
) -> None:
    """Draw every prediction into a picture of its own, and write ``predictions.json`` over all.

    Args:
        predicted: by :func:`vestige.probes.engine.predict_run.predict_run`.
        folder: for the files; made where it is missing.
        coco: write ``predictions.json`` as COCO's keypoints, which ``coco:`` opens.
        overwrite: replace the predictions in the folder. Only pictures that vestige drew are replaced.
        progress: told of pictures drawn.

    Raises:
        VestigeError: as :func:`check_prediction_folder`; where ``coco`` is asked for and there are no points of
            pictures in files, or something cannot be written.
    """
    check_prediction_folder(folder, overwrite=overwrite)
    given = [each.looked.name for each in predicted.predictions] + [failure.image for failure in predicted.failures]
    inputs = {identity for name in given for identity in _identities(Path(name))}
    before = [name for name in _drawn_before(folder) if _is_ours(folder, name, inputs)]
    names = list(_names([Path(each.looked.name).stem for each in predicted.predictions], _taken(folder, before)))
    document = _coco(predicted, names) if coco else _document(predicted, names)
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for number, (each, name) in enumerate(zip(predicted.predictions, names, strict=True), start=1):
        pixels = each.picture(each.looked.example.image.read())
        save_image(pixels, folder / name, overwrite=name in before)
        if progress is not None:
            progress("pictures", number, len(names))
    write_json(folder / FILE, document, overwrite=overwrite)
    with disk_errors(folder):
        for name in set(before) - set(names):
            (folder / name).unlink(missing_ok=True)


def _identities(path: Path) -> Iterator[tuple[int, int]]:
    """What tells a file from others, whatever name or link leads to it."""
    with suppress(OSError):
        status = path.stat()
        yield status.st_dev, status.st_ino


def _is_ours(folder: Path, name: str, inputs: set[tuple[int, int]]) -> bool:
    """Whether a listed picture is one that vestige drew into the folder, and none of those that are predicted."""
    path = folder / name
    plain = Path(name).name == name and path.is_file() and not path.is_symlink()
    return plain and is_drawn(path) and not inputs.intersection(_identities(path))


def _taken(folder: Path, replaced: Sequence[str]) -> set[str]:
    """The names in a folder that must not be used, in lower case: some file systems know no other."""
    there = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    return {name.casefold() for name in there if name not in replaced} | {FILE}


def _names(stems: Iterable[str], taken: set[str]) -> Iterator[str]:
    """A name for each picture: that of its photograph, numbered where it is taken."""
    for stem in stems:
        start = "".join(c if c.isprintable() and c not in '\\/:*?"<>|' else "_" for c in stem)[:_LONGEST] or "picture"
        name, number = f"{start}.png", 1
        while name.casefold() in taken:
            number += 1
            name = f"{start}-{number}.png"
        taken.add(name.casefold())
        yield name


def _about(predicted: Predicted, names: Sequence[str]) -> dict[str, Any]:
    return {
        "vestige": __version__,
        **describe_run(predicted),
        "units": "pixels",
        "coordinates": COORDINATES,
        "created": now(),
        "pictures": list(names),
    }


def _failed(predicted: Predicted) -> list[dict[str, str]]:
    return [{"image": failure.image, "why": failure.why} for failure in predicted.failures]


def _document(predicted: Predicted, names: Sequence[str]) -> dict[str, Any]:
    predictions = [{**each.to_json(), "picture": name} for each, name in zip(predicted.predictions, names, strict=True)]
    return {
        "schema": SCHEMA,
        **_about(predicted, names),
        "predictions": predictions,
        "failed": _failed(predicted),
    }


def _coco(predicted: Predicted, names: Sequence[str]) -> dict[str, Any]:
    """COCO's document: keypoints are 0-based pixel indices there, so 0.5 is taken off; boxes are ``x, y, w, h``."""
    found = [each for each in predicted.predictions if each.names and each.looked.path is not None]
    if len(found) < len(predicted.predictions):
        raise VestigeError(
            f"{either('--format coco', 'coco=True')}: holds points of pictures in files; leave it out for others"
        )
    files = [Path(each.looked.name).resolve() for each in found]
    root = Path(os.path.commonpath([file.parent for file in files]) if files else ".")
    numbers = {file: number for number, file in enumerate(dict.fromkeys(files), start=1)}
    sizes = {file: each.looked.size for file, each in zip(files, found, strict=True)}
    return {
        "info": {
            "description": "predicted keypoints",
            **_about(predicted, names),
            "coordinates": "COCO's: keypoints are pixel indices from 0, boxes are x, y, width, height",
            "images": str(root),
            "failed": _failed(predicted),
        },
        "images": [
            {
                "id": number,
                "file_name": file.relative_to(root).as_posix(),
                "width": sizes[file][0],
                "height": sizes[file][1],
            }
            for file, number in numbers.items()
        ],
        "annotations": [
            _annotation(each, number, numbers[file])
            for number, (file, each) in enumerate(zip(files, found, strict=True), start=1)
        ],
        "categories": [{"id": 1, "name": predicted.markup, "keypoints": list(found[0].names) if found else []}],
    }


def _annotation(prediction: Prediction, number: int, image: int) -> dict[str, Any]:
    x0, y0, x1, y1 = prediction.looked.box.tolist()
    return {
        "id": number,
        "image_id": image,
        "category_id": 1,
        "bbox": [x0, y0, x1 - x0, y1 - y0],
        "area": (x1 - x0) * (y1 - y0),
        "iscrowd": 0,
        "keypoints": [v for x, y in prediction.points.tolist() for v in (round(x - 0.5, 3), round(y - 0.5, 3), 2)],
        "num_keypoints": len(prediction.points),
    }
