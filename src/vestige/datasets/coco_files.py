"""What the loaders of COCO's format share: the document, ids, and the pictures that it names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeGuard

from vestige.datasets.reading import BadFileError, Checked, Problems, checked_picture, inside, read_bytes
from vestige.errors import VestigeError
from vestige.files import user_path, what_is
from vestige.spec import DataSpec

_LARGEST_ID = 2**63
_LARGEST = 1e9  # of a number in an annotation; NaN and infinities are not below it either


@dataclass
class CocoPictures:
    """The pictures that an annotation file names; each is looked at once.

    Attributes:
        spec: of the data set.
        file: the annotations.
        root: the pictures' folder.
        entries: of "images", by id.
    """

    spec: DataSpec
    file: Path
    root: Path
    entries: Mapping[str, Mapping[str, Any]]
    checked: dict[str, Checked | BadFileError] = field(default_factory=dict)

    def of(self, name: str, annotation: Mapping[str, Any]) -> Checked:
        """The picture that an annotation is of.

        Args:
            name: of the annotation, for the message.
            annotation: as the file has it.

        Raises:
            BadFileError: where there is none, or it cannot be used.
        """
        key = id_of(annotation, "image_id")
        entry = None if key is None else self.entries.get(key)
        if entry is None or key is None:
            raise BadFileError(self.file, f'{name}: image_id {short(annotation.get("image_id"))} is not among "images"')
        known = self.look(key)
        if isinstance(known, BadFileError):
            raise BadFileError(self.file, f"{name}: its picture cannot be used: {known}")
        return known

    def look(self, key: str) -> Checked | BadFileError:
        """A picture by its id, or why it cannot be used; each is looked at once."""
        if key not in self.checked:
            try:
                self.checked[key] = self._look_at(self.entries[key])
            except BadFileError as error:
                self.checked[key] = error
        return self.checked[key]

    def _look_at(self, entry: Mapping[str, Any]) -> Checked:
        name = entry.get("file_name")
        if not isinstance(name, str):
            raise BadFileError(self.file, f'image {entry["id"]}: expected a "file_name"')
        path = inside(self.root, name, self.file)
        if not what_is(path):
            raise BadFileError(path, "does not exist; if the pictures lie elsewhere, give their folder with images=DIR")
        checked = checked_picture(path, self.spec)
        said = tuple(
            self._pixels(entry, key) or size for key, size in zip(("width", "height"), checked.size, strict=True)
        )
        if said != checked.size:
            raise BadFileError(
                path,
                f"has {checked.size[0]}x{checked.size[1]} pixels; {self.file} annotates a picture of "
                f"{said[0]}x{said[1]}{checked.doubt}",
            )
        return checked

    def _pixels(self, entry: Mapping[str, Any], key: str) -> int:
        """A side of the picture as the file says it, as a number or as text; 0 where it says nothing."""
        value = entry.get(key)
        try:
            return int(float(value or 0))
        except (TypeError, ValueError, OverflowError):
            raise BadFileError(
                self.file, f'image {entry["id"]}: "{key}" is {short(value)}; expected a number of pixels'
            ) from None


def pictures_folder(spec: DataSpec, file: Path) -> Path:
    """Where the pictures lie: ``images=DIR``, else the annotation file's folder.

    Raises:
        VestigeError: where that is no folder.
    """
    root = user_path(spec.options.get("images") or str(file.parent))
    if what_is(root) != "folder":
        raise VestigeError(f"{spec.text!r}: {root} is no folder; give the pictures' folder with images=DIR")
    return root


def read_document(file: Path) -> dict[str, Any]:
    """The document.

    Raises:
        VestigeError: where it cannot be read, or lacks one of COCO's three lists.
    """
    try:
        document = json.loads(read_bytes(file))  # bytes, of which it finds the encoding and passes over the order mark
    except BadFileError as error:
        raise VestigeError(str(error)) from error
    except UnicodeDecodeError as error:
        raise VestigeError(f"{file}: is not text (byte {error.start} is not UTF-8); save it as UTF-8") from error
    except (ValueError, RecursionError) as error:  # not JSON, or a number of thousands of digits
        raise VestigeError(f"{file}: is no JSON file: {error}") from error
    for key in ("images", "annotations", "categories"):
        if not isinstance(document, dict) or not isinstance(document.get(key), list):
            raise VestigeError(f'{file}: expected COCO annotations, a JSON object with the list "{key}"')
    return dict(document)


def id_of(entry: Any, key: str = "id") -> str | None:
    """An id as text: COCO's are whole numbers, other tools write them as text or as 3.0; None where it is no id."""
    value = entry.get(key) if isinstance(entry, dict) else None
    if isinstance(value, str) and value:
        return value
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= _LARGEST_ID:
        return None
    return str(int(value)) if value == int(value) else None


def by_id(file: Path, entries: list[Any], what: str, problems: Problems) -> dict[str, Mapping[str, Any]]:
    """Entries by their id as text; those without, and those whose id another one has, are problems."""
    found: dict[str, Mapping[str, Any]] = {}
    for number, entry in enumerate(entries):
        key = id_of(entry)
        if key is None:
            problems.add(
                file,
                f'{what} number {number} is {short(entry)}; expected an object with an "id", a whole number or text',
            )
        elif key in found:
            problems.add(file, f"{what} {key} is there twice")
        else:
            found[key] = entry
    return found


def are_numbers(values: Any) -> TypeGuard[list[float]]:
    """Whether values are a list of finite numbers."""
    return isinstance(values, list) and all(
        isinstance(v, (int, float)) and not isinstance(v, bool) and abs(v) <= _LARGEST for v in values
    )


def short(value: Any) -> str:
    """A value for a message, cut off where it is long."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
