"""Which object of a data set a word is: by its name or its plural, else as a file says that a person has corrected.

The file is a table with the columns :data:`COLUMNS`, of which ``word`` and ``object`` are read: an empty ``object``
leaves the word open, :data:`NONE` says that it is no object of the data. What is said of a word holds for its plural
or singular, too, unless that is said to be something else or is an object's own name. A word that is itself the name of
an object in the data, and is said to be another, is counted as that in the pictures, too. Every run drafts one,
``words.csv``, with the objects that it found itself, and near names for the words that are open.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vestige.datasets.reading import BadFileError, read_text
from vestige.documents import table_of
from vestige.errors import VestigeError, choice, near_names
from vestige.text import plain_name
from vestige.units.words import singular

COLUMNS = ("word", "object", "by", "units", "near")
"""Of the file: the word, the object, how that was found (``name``, ``plural``, ``file``), of how many units the word is
said, and near names."""

NONE = "-"
"""In place of an object: none of the data's."""

_NEAR = 3  # names that are offered for a word that is open

_ALIKE = 0.6  # the share of letters that these have in common with it


@dataclass(frozen=True)
class Meant:
    """What a word means.

    Attributes:
        object: of the data; :data:`NONE` for none of them, "" where it is open.
        by: how that is known: ``name``, ``plural``, ``file``; "" where it is open.
        near: names of objects that look like it, where it is open.
    """

    object: str
    by: str
    near: tuple[str, ...] = ()

    @property
    def known(self) -> bool:
        """Whether it is an object of the data."""
        return self.object not in ("", NONE)


def plain(word: str) -> str:
    """A word as it is looked up: without capitals and punctuation, where anything is left then."""
    return plain_name(word) or word.strip().casefold()


def meanings(words: Iterable[str], objects: Sequence[str], given: Mapping[str, str] | None = None) -> dict[str, Meant]:
    """What words mean, by their plain form, in their order.

    What a file says goes first, then a name that is the same, then what a file says of the word in the other number,
    then the plural of a name, or the name that is the plural of it. An object with several names between commas
    (``person, individual``) has each of them; what two objects have in common means neither.

    Args:
        words: as people wrote them, or names of another data set's objects.
        objects: the names in the data.
        given: an object, :data:`NONE` or "" by the plain form of a word, as :func:`read_words` has it.
    """
    names = _names(objects)
    by_number = _by_number(names)
    given = given or {}
    given_by_number = _by_number({word: {said} for word, said in given.items() if said})
    found: dict[str, Meant] = {}
    for word in dict.fromkeys(map(plain, words)):
        alike = names.get(word, set())
        number = singular(word)
        others, given_others = by_number.get(number, set()), given_by_number.get(number, set())
        if said := given.get(word):
            found[word] = Meant(said, "file")
        elif len(alike) == 1:
            found[word] = Meant(min(alike), "name")
        elif len(given_others) == 1:
            found[word] = Meant(min(given_others), "file")
        elif not alike and len(others) == 1:
            found[word] = Meant(min(others), "plural")
        else:
            found[word] = Meant("", "", tuple(near_names(word, objects, _NEAR, _ALIKE)))
    return found


def _names(objects: Sequence[str]) -> dict[str, set[str]]:
    """The objects that go by each plain name: by the whole of theirs, else by one between commas."""
    whole: dict[str, set[str]] = {}
    parts: dict[str, set[str]] = {}
    for each in objects:
        whole.setdefault(plain(each), set()).add(each)
        for one in each.split(","):
            parts.setdefault(plain(one), set()).add(each)
    return parts | whole


def _by_number(names: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """The objects that go by each name's singular."""
    found: dict[str, set[str]] = {}
    for name, objects in names.items():
        found.setdefault(singular(name), set()).update(objects)
    return found


def read_words(file: Path, objects: Sequence[str]) -> dict[str, str]:
    """What a file says of words, by their plain form: an object, :data:`NONE`, or "" of those left open.

    Raises:
        VestigeError: naming the file and the row: of an object that the data do not have, or of a word that is said to
            be two; or naming a word whose object is itself said to be another.
    """
    found: dict[str, str] = {}
    try:
        rows = table_of(read_text(file))
        if missing := [name for name in COLUMNS[:2] if name not in (rows.fieldnames or ())]:
            raise VestigeError(
                f"{file}: has no column {missing[0]!r}; expected a table with the columns {' and '.join(COLUMNS[:2])}, "
                "as words.csv of a run"
            )
        for row in rows:
            word, thing = plain(row["word"] or ""), (row["object"] or "").strip()
            where = f"{file}, line {rows.line_num}"
            if not word:
                raise VestigeError(f"{where}: has no word; expected one, and its object")
            if thing not in ("", NONE, *objects):
                near = near_names(thing, objects, 8, 0.4) or objects[:8]
                raise VestigeError(
                    f"{where}: {row['word']!r} is said to be {thing!r}, which the data do not have; write {NONE} for "
                    f"what they have not, or {choice(thing, near)}"
                )
            if thing and found.get(word) not in (None, "", thing):
                raise VestigeError(f"{where}: {row['word']!r} is said to be {thing!r}, and before {found[word]!r}")
            found[word] = thing or found.get(word, "")
        for word, thing in found.items():
            other = found.get(plain(thing), "") if thing not in ("", NONE) else ""
            if other not in ("", NONE, thing):
                raise VestigeError(
                    f"{file}: {word!r} is said to be {thing!r}, and that to be {other!r}; write that for both"
                )
    except BadFileError as error:
        raise VestigeError(str(error)) from error
    except csv.Error as error:
        raise VestigeError(f"{file}: cannot be read as a table: {error}") from error
    return found


def words_csv(found: Mapping[str, Meant], said: Mapping[str, int]) -> str:
    """The file for a person to correct: open words first, those of most units first.

    Args:
        found: what words mean.
        said: of how many units each is said.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for word, meant in sorted(found.items(), key=lambda each: (bool(each[1].object), -said.get(each[0], 0), each[0])):
        writer.writerow([word, meant.object, meant.by, said.get(word, 0), "; ".join(meant.near)])
    return stream.getvalue()
