"""Plug-ins: what other installed packages bring, by their entry points."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

from vestige.errors import VestigeError

T = TypeVar("T")


@dataclass(frozen=True)
class Plugins(Generic[T]):
    """What the packages installed here bring to a group.

    Attributes:
        found: what can be used, by name.
        failed: why the others cannot, by name.
    """

    found: dict[str, T] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def plugins(group: str, own: Collection[str], expected: str, fits: Callable[[str, object], T | None]) -> Plugins[T]:
    """Import what the packages installed here bring to a group; what cannot be used gets a line each.

    Args:
        group: such as ``vestige.datasets``.
        own: names that vestige has itself, which no plug-in replaces.
        expected: what an entry point of the group names, for people to read.
        fits: what is to be used under a name of the object that its entry point names; None where that is not of the
            kind expected.
    """
    all_of_them: Plugins[T] = Plugins()
    for point in _entry_points(group):
        if point.name in own or point.name in all_of_them.found:
            _warn(point, "has a name that is taken")
            continue
        try:
            loaded = point.load()
            usable = fits(point.name, loaded)
        except (Exception, SystemExit) as error:  # somebody else's module may raise anything
            reason = f"cannot be imported: {described(error)}"
        else:
            if usable is not None:
                all_of_them.found[point.name] = usable
                continue
            reason = f"is {type(loaded).__name__}; expected {expected}"
        all_of_them.failed[point.name] = reason
        _warn(point, reason)
    return all_of_them


def described(error: BaseException) -> str:
    """The kind of an error of somebody else's, and the first line of what it says."""
    said = str(error).strip().splitlines()
    return f"{type(error).__name__}{f': {said[0][:300]}' if said else ''}"


def _entry_points(group: str) -> Iterator[EntryPoint]:
    try:
        yield from sorted(entry_points(group=group), key=lambda point: (point.name, point.value))
    except Exception as error:  # an installed package's metadata is damaged
        print(f"warning: no plug-ins of {group} can be used: {described(error)}", file=sys.stderr)


@contextmanager
def guarded(what: str) -> Iterator[None]:
    """Somebody else's code: whatever it raises but a VestigeError becomes one, which says what failed.

    Raises:
        VestigeError: as is said.
    """
    try:
        yield
    except VestigeError:
        raise
    except Exception as error:
        raise VestigeError(f"{what} failed ({described(error)})") from error


def _warn(point: EntryPoint, reason: str) -> None:
    of = f" of {point.dist.name}" if point.dist is not None else ""
    print(f"warning: {point.group} plug-in {point.name!r}{of} is left out: it {reason}", file=sys.stderr)
