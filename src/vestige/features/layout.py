"""How a store lies on disk, and the description that it is known by.

A store is a directory named by the sha256 of its description::

    KEY/zarr.json          the metadata of a Zarr v3 array (n, d), the description among its attributes
    KEY/c/I/0              chunk I: 512 rows, uncompressed, written beside and then renamed
    KEY/digests/I.json     of chunk I: its digest, that of its problems, and the powers of two of scaled float16 rows
    KEY/problems/I.json    row -> message for the pictures of chunk I that could not be read; absent where all could
    KEY/complete.json      written last: when, how fast and by what the store was made

All of it but ``complete.json`` is a function of the description and the pictures, to the byte. A chunk that is under
way lies beside its place, with a line for every batch of it in a file of its own::

    KEY/c/I/0.partial      the rows so far
    KEY/c/I/rows.partial   how many they are, their digest, and what else the chunk's documents will say
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from vestige.documents import Json, check_json, read_json
from vestige.errors import VestigeError
from vestige.features.digests import Checked, crc32c, file_crc32c, is_unchanged, shallow
from vestige.files import DISK_FULL
from vestige.spec import StoreDtype

if TYPE_CHECKING:
    from vestige.example import Example

SCHEMA = 2
"""Of the store: raised where older stores must not be read. 1 had no digests, and float16 rows without a scale."""

CHUNK_ROWS = 512

METADATA = "zarr.json"
COMPLETE = "complete.json"

_BYTES: dict[StoreDtype, int] = {"float32": 4, "float16": 2}

_Positive = Annotated[int, Meta(ge=1, le=2**48)]


@dataclass(frozen=True)
class Description:
    """What a store holds: everything that its bytes depend on, and where they come from.

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
    numerics: Mapping[str, Json]
    pictures: str
    n: _Positive
    d: _Positive
    dtype: StoreDtype
    chunk_rows: _Positive
    source: str = ""

    @property
    def key(self) -> str:
        """The name of the store: sha256 over everything but the specs of backbone and data."""
        identity = shallow(self) | {"schema": SCHEMA}
        del identity["backbone"], identity["source"]
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()

    @property
    def chunks(self) -> int:
        """How many chunks the rows fill, the last one perhaps in part."""
        return -(-self.n // self.chunk_rows)

    @property
    def chunk_bytes(self) -> int:
        """The size of a chunk's file. The last one is filled up with zeros, as Zarr wants it (a hole, on disk)."""
        return self.chunk_rows * self.row_bytes

    @property
    def row_bytes(self) -> int:
        """The size of a row."""
        return self.d * _BYTES[self.dtype]

    @property
    def bytes(self) -> int:
        """The size of all rows."""
        return self.n * self.row_bytes

    def rows(self, chunk: int) -> range:
        """The rows of a chunk."""
        return range(chunk * self.chunk_rows, min((chunk + 1) * self.chunk_rows, self.n))

    def metadata(self) -> str:
        """The text of ``zarr.json``: Zarr v3, https://zarr-specs.readthedocs.io/en/latest/v3/core."""
        described = {"schema": SCHEMA, **shallow(self)}
        if not self.source:  # as in stores of before there was one
            del described["source"]
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
                "attributes": {"vestige": described},
            },
            indent=1,
        )

    @classmethod
    def read(cls, store: Path) -> Description:
        """The description of a store, proved by its own text and name.

        Raises:
            VestigeError: where there is none, or it was changed.
        """
        path = store / METADATA
        document = read_json(path, _Zarr, what="the metadata of a feature store", mend=_MEND, limit=_LIMIT)
        recorded = dict(document.attributes.vestige)
        if recorded.pop("schema", None) != SCHEMA:
            raise VestigeError(f"{store}: {METADATA} is of another version of vestige; {_MEND}")
        try:
            description = check_json(recorded, cls)
            if description.key == store.name and description.metadata() == path.read_text(encoding="utf-8"):
                return description
        except (OSError, ValueError):
            pass
        raise VestigeError(f"{store}: {METADATA} was changed; {_MEND}")


_MEND = "remove the directory, and the features are computed again when they are wanted"
_LIMIT = 1 << 24


@dataclass(frozen=True)
class _Attributes:
    vestige: dict[str, Json]


@dataclass(frozen=True)
class _Zarr:
    """What of ``zarr.json`` is read before it is compared, to the letter, with what it must be."""

    attributes: _Attributes


@dataclass(frozen=True)
class Seal(Checked):
    """What ``digests/I.json`` says of a chunk.

    Attributes:
        crc32c: of the store's key and the chunk's number and bytes, so that no chunk passes for another.
        problems: CRC-32C of the file of its problems; 0 where there is none.
        exponents: e of each row, which is stored times 2^e; empty where none is scaled.
    """

    crc32c: int
    problems: int = 0
    exponents: list[Annotated[int, Meta(ge=0, le=126)]] = field(default_factory=list)


@dataclass(frozen=True)
class Made(Checked):
    """What ``complete.json`` says: when, how fast and by what a store was made."""

    created: str
    seconds: float = 0.0
    images_per_second: float = 0.0
    versions: dict[str, str] = field(default_factory=dict)


def chunk_path(store: Path, chunk: int) -> Path:
    """The file of a chunk."""
    return store / "c" / str(chunk) / "0"


def problems_path(store: Path, chunk: int) -> Path:
    """The file of a chunk's problems."""
    return store / "problems" / f"{chunk}.json"


def seal_path(store: Path, chunk: int) -> Path:
    """The file of a chunk's digests."""
    return store / "digests" / f"{chunk}.json"


def first_crc32c(description: Description, chunk: int) -> int:
    """What a chunk's digest begins with."""
    return crc32c(f"{description.key} {chunk} ".encode())


def has_chunk(store: Path, description: Description, chunk: int) -> bool:
    """Whether a chunk is there in full, and its documents are sound; its numbers are not read."""
    try:
        if chunk_path(store, chunk).stat().st_size != description.chunk_bytes:
            return False
    except OSError:
        return False
    return read_problems(store, description, chunk) is not None


def is_intact(store: Path, description: Description, chunk: int) -> bool:
    """Whether a chunk's numbers are those that were written: it is read from the first byte to the last."""
    seal = read_seal(store, description, chunk)
    try:
        return seal is not None and seal.crc32c == file_crc32c(
            chunk_path(store, chunk), first_crc32c(description, chunk), description.chunk_bytes
        )
    except OSError:
        return False


def read_seal(store: Path, description: Description, chunk: int) -> Seal | None:
    """The digests of a chunk; None where they are missing or damaged."""
    try:
        seal = read_json(seal_path(store, chunk), Seal, what="the digests of a chunk", limit=_LIMIT)
    except VestigeError:
        return None
    return seal if is_unchanged(seal) and len(seal.exponents) in (0, len(description.rows(chunk))) else None


def read_problems(store: Path, description: Description, chunk: int) -> dict[int, str] | None:
    """Row -> message of a chunk's unreadable pictures; None where the file, or the chunk's digests, are damaged."""
    path = problems_path(store, chunk)
    seal = read_seal(store, description, chunk)
    if seal is None:
        return None
    if not seal.problems:
        return None if os.path.lexists(path) else {}
    try:
        problems = read_json(path, dict[int, str], what="problems", limit=_LIMIT)
        sound = file_crc32c(path) == seal.problems
    except (OSError, VestigeError):
        return None
    return problems if sound and all(row in description.rows(chunk) for row in problems) else None


def read_complete(store: Path) -> Made | None:
    """What ``complete.json`` says, or None where the store is unfinished or the file is damaged."""
    try:
        made = read_json(store / COMPLETE, Made, what="the end of a feature store", limit=_LIMIT)
    except VestigeError:
        return None
    return made if is_unchanged(made) else None


def is_sound(store: Path, description: Description) -> bool:
    """Whether a store is complete, of this description, with no file missing or cut off; its numbers are not read."""
    try:
        as_described = Description.read(store).key == description.key
    except VestigeError:
        return False
    return (
        as_described
        and read_complete(store) is not None
        and all(has_chunk(store, description, chunk) for chunk in range(description.chunks))
    )


def is_whole(store: Path, description: Description) -> bool:
    """Whether a store is sound and all its numbers are those that were written; all of it is read."""
    return is_sound(store, description) and all(
        is_intact(store, description, chunk) for chunk in range(description.chunks)
    )


def chunks_there(store: Path, description: Description) -> list[int]:
    """The chunks that are there, in order, as :func:`has_chunk` says."""
    try:
        names = [folder.name for folder in (store / "c").iterdir()]
    except OSError:
        return []
    found = sorted(int(name) for name in names if name.isascii() and name.isdecimal() and len(name) < 16)
    return [chunk for chunk in found if chunk < description.chunks and has_chunk(store, description, chunk)]


def adopt(store: Path, description: Description) -> None:
    """Make a store's directory that of a description: what is there and belongs to another is removed."""
    try:
        sound = Description.read(store).key == description.key and all(
            path.is_dir() or not os.path.lexists(path)
            for path in (store / name for name in ("c", "digests", "problems"))
        )
    except VestigeError:
        sound = False
    if not sound:
        if store.exists():
            shutil.rmtree(store)
        write_text(store / METADATA, description.metadata())
        sync_folder(store.parent)


def remove(path: Path) -> None:
    """Remove what is there, if anything; a folder, too, where a file belongs."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a file all or nothing: beside, onto the disk, then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".partial")
    with beside.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make sure that the names in a folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some file systems have no such thing for folders
            raise
    finally:
        os.close(descriptor)


@contextmanager
def disk_errors(store: Path) -> Iterator[None]:
    """Turn what a disk refuses into one error that says what to do.

    Raises:
        VestigeError: for any OSError inside.
    """
    try:
        yield
    except OSError as error:
        full = error.errno in DISK_FULL
        remedy = "free some space (vestige cache shows what is stored)" if full else "make it one that can be written"
        raise VestigeError(
            f"{store}: cannot be written: {error.strerror or error}; what is finished is kept and the next run goes on "
            f"from there. Either {remedy}, or put the cache on another disk with VESTIGE_CACHE"
        ) from error


def source_of(examples: Iterable[Example]) -> str:
    """The data sets that examples are of, as in a store's description."""
    return " + ".join(dict.fromkeys(example.source for example in examples if example.source))


def pictures_sha256(keys: Iterator[str]) -> str:
    """sha256 over the crops' keys in their order."""
    total = hashlib.sha256()
    for key in keys:
        total.update(f"{len(key)}:".encode())
        total.update(key.encode())
    return total.hexdigest()
