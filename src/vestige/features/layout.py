"""How a store lies on disk, and the description that it is known by.

A store is a directory named by the sha256 of its description::

    KEY/zarr.json          the metadata of a Zarr v3 array (n, d), the description among its attributes
    KEY/c/I/0              chunk I: 512 rows, uncompressed, written beside and then renamed
    KEY/problems/I.json    row -> message for the pictures of chunk I that could not be read; absent where all could
    KEY/complete.json      written last: when, how fast and by what the store was made

All of it but ``complete.json`` is a function of the description and the pictures, to the byte.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vestige.errors import VestigeError
from vestige.example import Example

SCHEMA = 1
"""Of the store: raised where older stores must not be read."""

CHUNK_ROWS = 512

METADATA = "zarr.json"
COMPLETE = "complete.json"


@dataclass(frozen=True)
class Description:
    """What a store holds: everything that its bytes depend on, and what provenance tells besides.

    Attributes:
        kind: ``features`` (a row per crop) or ``dense`` (a row per grid cell).
        backbone: the spec, for people to read; not part of the key.
        fingerprint: of the backbone: weights, architecture and preprocessing.
        weights_sha256: of the weights alone.
        preprocessing: of the backbone, as a text.
        layer: the layer's name.
        readout: as the user writes it.
        numerics: the options of extraction that change bytes.
        pictures: sha256 over the crops' keys in their order.
        n: rows.
        d: numbers per row.
        dtype: ``float32`` or ``float16``, on disk.
        chunk_rows: rows per chunk.
        source: the data sets that the pictures are of, for people to read; not part of the key.
    """

    kind: str
    backbone: str
    fingerprint: str
    weights_sha256: str
    preprocessing: str
    layer: str
    readout: str
    numerics: Mapping[str, Any]
    pictures: str
    n: int
    d: int
    dtype: str
    chunk_rows: int
    source: str = ""

    @property
    def key(self) -> str:
        """The name of the store: sha256 over everything but the specs of backbone and data."""
        identity = asdict(self) | {"schema": SCHEMA}
        del identity["backbone"], identity["source"]
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()

    @property
    def chunks(self) -> int:
        """How many chunks the rows fill, the last one perhaps in part."""
        return -(-self.n // self.chunk_rows)

    @property
    def chunk_bytes(self) -> int:
        """The size of a chunk's file. The last one is filled up with zeros, as Zarr wants it (a hole, on disk)."""
        return self.chunk_rows * self.d * np.dtype(self.dtype).itemsize

    @property
    def bytes(self) -> int:
        """The size of all rows."""
        return self.n * self.d * np.dtype(self.dtype).itemsize

    def rows(self, chunk: int) -> range:
        """The rows of a chunk."""
        return range(chunk * self.chunk_rows, min((chunk + 1) * self.chunk_rows, self.n))

    def metadata(self) -> str:
        """The text of ``zarr.json``: Zarr v3, https://zarr-specs.readthedocs.io/en/latest/v3/core."""
        told = {"schema": SCHEMA, **asdict(self)}
        if not self.source:  # as in stores of before there was one
            del told["source"]
        return json.dumps(
            {
                "zarr_format": 3,
                "node_type": "array",
                "shape": [self.n, self.d],
                "data_type": self.dtype,
                "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [self.chunk_rows, self.d]}},
                "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
                "fill_value": 0.0,
                "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
                "dimension_names": ["row", "feature"],
                "attributes": {"vestige": told},
            },
            indent=1,
        )

    @classmethod
    def read(cls, store: Path) -> Description:
        """The description of a store, proved by its own text and name.

        Raises:
            VestigeError: where there is none, or it was changed.
        """
        try:
            text = (store / METADATA).read_text(encoding="utf-8")
            recorded = json.loads(text)["attributes"]["vestige"]
            schema = recorded.pop("schema")
            description = cls(**recorded)
            sound = schema == SCHEMA and description.metadata() == text and description.key == store.name
        except (OSError, UnicodeDecodeError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise VestigeError(f"{store}: no feature store: {METADATA} cannot be read ({error}){_MEND}") from error
        if not sound:
            raise VestigeError(f"{store}: {METADATA} was changed, or is of another version of vestige{_MEND}")
        return description


_MEND = "; remove the directory, and the features are computed again when they are wanted"


def chunk_path(store: Path, chunk: int) -> Path:
    """The file of a chunk."""
    return store / "c" / str(chunk) / "0"


def problems_path(store: Path, chunk: int) -> Path:
    """The file of a chunk's problems."""
    return store / "problems" / f"{chunk}.json"


def has_chunk(store: Path, description: Description, chunk: int) -> bool:
    """Whether a chunk is there in full, with its problems readable."""
    try:
        if chunk_path(store, chunk).stat().st_size != description.chunk_bytes:
            return False
    except OSError:
        return False
    return read_problems(store, chunk) is not None


def read_problems(store: Path, chunk: int) -> dict[int, str] | None:
    """Row -> message of a chunk's unreadable pictures; None where the file is damaged."""
    try:
        recorded = json.loads(problems_path(store, chunk).read_text(encoding="utf-8"))
        return {int(row): str(message) for row, message in recorded.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError):
        return None


def read_complete(store: Path) -> dict[str, Any] | None:
    """What ``complete.json`` says, or None where the store is unfinished."""
    try:
        said = json.loads((store / COMPLETE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return said if isinstance(said, dict) else None


def is_sound(store: Path, description: Description) -> bool:
    """Whether a store is complete, of this description, with no file missing or cut off."""
    try:
        as_described = Description.read(store).key == description.key
    except VestigeError:
        return False
    return (
        as_described
        and read_complete(store) is not None
        and all(has_chunk(store, description, chunk) for chunk in range(description.chunks))
    )


def write_text(path: Path, text: str) -> None:
    """Write a file all or nothing: beside, then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".partial")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)


@contextmanager
def disk_errors(store: Path) -> Iterator[None]:
    """Turn what a disk refuses into one error that says what to do.

    Raises:
        VestigeError: for any OSError inside.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise VestigeError(
            f"{store}: cannot be written: {reason}; what is finished is kept and the next run goes on from there. "
            "Free some space (vestige cache shows what is stored), or put the cache on another disk with VESTIGE_CACHE"
        ) from error


def source_of(examples: Iterable[Example]) -> str:
    """The data sets that examples are of, as a store's description tells it."""
    return " + ".join(dict.fromkeys(example.source for example in examples if example.source))


def pictures_sha256(keys: Iterator[str]) -> str:
    """sha256 over the crops' keys in their order."""
    total = hashlib.sha256()
    for key in keys:
        total.update(f"{len(key)}:".encode())
        total.update(key.encode())
    return total.hexdigest()


def little_endian(rows: NDArray[Any], dtype: str) -> NDArray[Any]:
    """Rows as they lie on disk: C order, little-endian."""
    return np.ascontiguousarray(rows, dtype=np.dtype(dtype).newbyteorder("<"))


def free_bytes(path: Path) -> int:
    """The space left where a path is, or will be."""
    existing = path
    while not existing.exists():
        existing = existing.parent
    status = os.statvfs(existing)
    return status.f_bavail * status.f_frsize
