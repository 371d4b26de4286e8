"""What people see of units: their strongest pictures as each unit segments them, and the planted ones among these.

Made once, in one pass over the pictures that are needed, and kept in a file of the run's folder; a killed pass goes on
where it was.
"""

from __future__ import annotations

import io
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from scipy.ndimage import binary_dilation

from vestige.errors import VestigeError
from vestige.files import disk_errors
from vestige.images import Crop, Pixels, crop_resize
from vestige.progress import Progress, count_nothing
from vestige.units.annotate.store import Shown, store_path
from vestige.units.rules import Mask, Rule, lit, shown_by

if TYPE_CHECKING:
    from vestige.datasets.dataset import Dataset
    from vestige.units.activations import ActivationReader, Activations
    from vestige.units.dissect.run import DissectRun

TOP = 57
"""How many of a unit's strongest pictures are shown (section 3.3: 60, of which three are planted)."""

SIDE, WHOLE = 256, 512
"""Pixels of the longer side, of a picture as a unit segments it, and at most of a picture as it is."""

_QUALITY = 85
_DRAWN = "outlined"  # how pictures are drawn: those that an older version drew otherwise are drawn anew
_OUTLINE, _BRIGHT = 2, 176  # pixels, and how bright: what it lies on is dimmed, and darker than 64
_ALIKE = 0.05  # of an activation: other devices compute otherwise, other pictures give other activations altogether


def tiles_of(run: Path) -> TileFile:
    """Where a run has what people see of its units."""
    return TileFile(store_path(run).with_name("pictures.sqlite"))


def shown_of(run: DissectRun, layer: str, unit: int) -> Shown | None:
    """What people are shown of a unit: pictures that it is active in, planted ones among them, in an order of its own.

    None where it is active in no picture that is not among the lowest.
    """
    planted = tuple(dict.fromkeys(run.of(layer, "negatives")[unit].tolist()))
    top = [row for row in _active(run, layer, unit) if row not in planted][:TOP]
    if not top or not planted:
        return None
    order = _draw(layer, unit, 0).permutation([*top, *planted])
    return Shown(layer, unit, tuple(order.tolist()), planted)


def _active(run: DissectRun, layer: str, unit: int) -> list[int]:
    """The strongest pictures of a unit that are kept and that it is active in, strongest first."""
    rows, values = (run.of(layer, key)[unit].tolist() for key in ("top_rows", "top_values"))
    return [row for row, value in zip(rows, values, strict=True) if value > 0]


def lenders_of(run: DissectRun, shown: Shown) -> dict[int, int]:
    """The picture whose map each planted picture of a unit is shown through, by row.

    The unit's strongest that are not shown themselves, as far as there are any: two pictures that are bright in the
    same shape would say which are planted.
    """
    spare = [row for row in _active(run, shown.layer, shown.unit) if row not in shown.shown]
    own = [row for row in shown.shown if row not in shown.planted]
    drawn = _draw(shown.layer, shown.unit, 1).permutation(own).tolist()
    return dict(zip(shown.planted, cycle([*spare, *drawn]), strict=False))


def in_random_order(units: Iterable[Shown]) -> tuple[Shown, ...]:
    """Units of all layers mixed, so that those that are done at any time are a random sample of all."""
    return tuple(sorted(units, key=lambda each: _draw(each.layer, each.unit, 2).random()))


def _draw(layer: str, unit: int, what: int) -> np.random.Generator:
    return np.random.default_rng([zlib.crc32(layer.encode()), unit, what])


@dataclass(frozen=True)
class _Job:
    """A picture to draw for a unit: its map is that of another picture where it is planted.

    A unit is not active in planted pictures, so that dark ones would give themselves away. Each is shown through what
    the unit shows of one of its own.
    """

    shown: Shown
    place: int
    row: int


@dataclass(frozen=True)
class TileFile:
    """The file that pictures lie in.

    Attributes:
        path: of the file.
    """

    path: Path

    def tile(self, layer: str, unit: int, place: int) -> bytes | None:
        """A JPEG of a picture as a unit segments it; None where there is none."""
        return self._one("SELECT jpeg FROM tiles WHERE layer = ? AND unit = ? AND place = ?", (layer, unit, place))

    def whole(self, row: int) -> bytes | None:
        """A JPEG of a picture of the data; None where there is none."""
        return self._one("SELECT jpeg FROM wholes WHERE row = ?", (row,))

    def _one(self, query: str, values: tuple[str | int, ...]) -> bytes | None:
        with self._open() as file:
            found = file.execute(query, values).fetchone()
        return None if found is None else bytes(found[0])

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """The file, for a thread of its own; what is written is kept when the block ends."""
        try:
            with closing(sqlite3.connect(self.path, timeout=30)) as file, file:
                yield file
        except sqlite3.Error as error:
            raise VestigeError(
                f"{self.path}: cannot be used: {error}; make room and let it be written, or remove it, and run the "
                "command again"
            ) from error

    def begin(self, made_from: str) -> None:
        """Make the file, or go on with it; pictures that were made from something else, or otherwise, are removed."""
        made_from = f"{made_from} {_DRAWN}"
        with disk_errors(self.path, "what people are shown"):
            self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._open() as file:
            file.execute("PRAGMA journal_mode=WAL")
            file.execute("CREATE TABLE IF NOT EXISTS made (made_from TEXT)")
            file.execute("CREATE TABLE IF NOT EXISTS wholes (row INTEGER PRIMARY KEY, jpeg BLOB NOT NULL)")
            file.execute(
                "CREATE TABLE IF NOT EXISTS tiles (layer TEXT NOT NULL, unit INTEGER NOT NULL, place INTEGER NOT NULL, "
                "jpeg BLOB NOT NULL, PRIMARY KEY (layer, unit, place))"
            )
            if file.execute("SELECT made_from FROM made").fetchall() != [(made_from,)]:
                for table in ("made", "wholes", "tiles"):
                    file.execute(f"DELETE FROM {table}")
                file.execute("INSERT INTO made VALUES (?)", (made_from,))

    def kept(self) -> tuple[set[tuple[str, int, int]], set[int]]:
        """What is there: pictures by layer, unit and place, and whole ones by row."""
        with self._open() as file:
            tiles = file.execute("SELECT layer, unit, place FROM tiles").fetchall()
            return set(tiles), {row for (row,) in file.execute("SELECT row FROM wholes")}

    def lacks(self, units: Iterable[Shown]) -> bool:
        """Whether pictures of some units are not there yet."""
        there = self.kept()[0]
        return any((each.layer, each.unit, place) not in there for each in units for place in range(len(each.shown)))

    def keep(self, tiles: Mapping[tuple[str, int, int], bytes], wholes: Mapping[int, bytes]) -> None:
        """Keep some more."""
        with self._open() as file:
            file.executemany("INSERT OR REPLACE INTO wholes VALUES (?, ?)", wholes.items())
            rows = ((*key, jpeg) for key, jpeg in tiles.items())
            file.executemany("INSERT OR REPLACE INTO tiles VALUES (?, ?, ?, ?)", rows)


def make_tiles(
    file: TileFile,
    run: DissectRun,
    data: Dataset,
    units: Sequence[Shown],
    reader: ActivationReader,
    rule: Rule,
    progress: Progress = count_nothing,
) -> None:
    """Draw what people see of units, as far as it is not there yet.

    Args:
        file: that it is kept in; it has been begun.
        run: the dissection.
        data: that were dissected.
        units: with what is shown of each.
        reader: of the run's network.
        rule: by which a map becomes what is bright.
        progress: told of pictures through the network.

    Raises:
        VestigeError: where the data are not those of the run, or cannot be read.
    """
    if [example.id for example in data] != run.arrays["ids"].tolist():
        raise VestigeError(
            f"{data.spec}: holds other pictures than the run {run.name} was made of; give those, or dissect these"
        )
    tiles, wholes = file.kept()
    jobs = _jobs(run, units, tiles)
    rows = sorted(jobs)
    progress(0, len(rows))
    done = 0
    with closing(reader.read([Crop(example) for example in data], rows)) as batches:
        for batch in batches:
            if batch.problems:
                raise VestigeError(next(iter(batch.problems.values())))
            drawn = _Drawing(run, data, rule, wholes)
            for k, row in enumerate(batch.rows):
                drawn.add(batch, k, jobs[row])
            file.keep(drawn.tiles, drawn.wholes)
            wholes |= drawn.wholes.keys()
            done += len(batch.rows)
            progress(done, len(rows))


def _jobs(run: DissectRun, units: Iterable[Shown], there: set[tuple[str, int, int]]) -> dict[int, list[_Job]]:
    """What is to be drawn, by the picture whose map it needs."""
    found: dict[int, list[_Job]] = {}
    for shown in units:
        lenders = lenders_of(run, shown)
        for place, row in enumerate(shown.shown):
            if (shown.layer, shown.unit, place) not in there:
                found.setdefault(int(lenders.get(row, row)), []).append(_Job(shown, place, row))
    return found


class _Drawing:
    """What is drawn of a batch: pictures as units segment them, and whole ones that are not there yet."""

    def __init__(self, run: DissectRun, data: Dataset, rule: Rule, there: set[int]) -> None:
        self._run, self._data, self._rule, self._there = run, data, rule, there
        self._pixels: dict[int, Pixels] = {}
        self.tiles: dict[tuple[str, int, int], bytes] = {}
        self.wholes: dict[int, bytes] = {}

    def add(self, batch: Activations, k: int, jobs: Iterable[_Job]) -> None:
        """Draw what one picture's maps are needed for."""
        for job in jobs:
            layer, unit = job.shown.layer, job.shown.unit
            map = batch.maps[layer][k, unit].numpy()
            self._check(batch.rows[k], layer, unit, float(map.max()))
            picture = _fitted(self._whole(job.row), SIDE, enlarge=True)
            scale, standing = self._run.scale(layer, unit), self._run.standing(layer)
            mask = shown_by(self._rule, map, standing, (picture.shape[0], picture.shape[1]), scale)
            self.tiles[layer, unit, job.place] = _jpeg(outlined(lit(picture, mask), mask))

    def _whole(self, row: int) -> Pixels:
        if row not in self._pixels:
            self._pixels[row] = _fitted(self._data[row].image.read(), WHOLE)
            if row not in self._there:
                self.wholes[row] = _jpeg(self._pixels[row])
        return self._pixels[row]

    def _check(self, row: int, layer: str, unit: int, largest: float) -> None:
        """Refuse a picture that has changed since it was dissected: its activations are other ones."""
        places = np.flatnonzero(self._run.of(layer, "top_rows")[unit] == row)
        known = float(self._run.of(layer, "top_values")[unit, places[0]])
        if abs(largest - known) > _ALIKE * abs(known):
            raise VestigeError(
                f"{self._data.spec}: picture {self._data[row].id!r} is not as it was dissected: {layer}:{unit} is "
                f"{largest:.4g} in it and was {known:.4g}; bring the picture back, or dissect anew"
            )


def outlined(picture: Pixels, mask: Mask) -> Pixels:
    """A picture ``(H, W, 3)`` with a line about what a mask ``(H, W)`` shows, on what it does not show.

    Without it nobody sees where a dark thing ends, for what is not shown is dark as well.
    """
    about = binary_dilation(mask, iterations=_OUTLINE) & ~mask
    found: Pixels = np.where(about[..., None], np.uint8(_BRIGHT), picture)
    return found


def _fitted(pixels: Pixels, side: int, *, enlarge: bool = False) -> Pixels:
    """A picture whose longer side has so many pixels, or at most so many."""
    height, width = pixels.shape[:2]
    factor = side / max(height, width)
    if factor >= 1 and not enlarge:
        return pixels
    size = max(round(height * factor), 1), max(round(width * factor), 1)
    return crop_resize(pixels, None, size, "bicubic")


def _jpeg(pixels: Pixels) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=_QUALITY)
    return stream.getvalue()
