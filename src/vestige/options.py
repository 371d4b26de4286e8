"""Fields of options dataclasses: what is stated here once is checked from Python and makes the command line.

A field with ``help`` is an option of every command that takes its class (``vestige.cli.commands``); one without can
be given from Python alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, dataclass, field
from typing import Any, TypeVar

from vestige.bounds import PCK_ALPHA, SEED, Bounds

T = TypeVar("T")

UNSET: Any = object()
"""What stands where nothing is given."""


@dataclass(frozen=True)
class Switch:
    """A second option of a field, which turns off what the field says how to do.

    Attributes:
        names: as in ``--sift/--no-sift``.
        help: what help says of it.
        off: the field's value then.
    """

    names: str
    help: str
    off: Any


@dataclass(frozen=True)
class Described:
    """What the command line needs to know of a field beside its type and its default.

    Attributes:
        help: what help says of it.
        names: with their dashes, or none for those that the field's own name makes.
        metavar: what help calls the value.
        default_text: the default as help tells it, where the value itself would not do.
        typed: the default on the command line, where it is another than from Python; ``MISSING`` where it has to be
            given there.
        bounds: of its numbers.
        switch: what turns it off.
        parser: of the word that is typed, where its type alone would not do.
        typed_as: its type on the command line, where Python may give more.
        argument: whether it is given by its place.
        repeats: whether a value that is given twice counts twice.
        last: whether help shows it after what is more often asked for.
    """

    help: str
    names: tuple[str, ...] = ()
    metavar: str = ""
    default_text: str = ""
    typed: Any = UNSET
    bounds: Bounds | None = None
    switch: Switch | None = None
    parser: Callable[[str], Any] | None = None
    typed_as: type | None = None
    argument: bool = False
    repeats: bool = False
    last: bool = False


def option(
    default: T,
    help: str = "",
    *,
    bounds: Bounds | None = None,
    empty: bool = False,
    paper: object = UNSET,
    switch: Switch | None = None,
    names: tuple[str, ...] = (),
    **described: Any,
) -> T:
    """A field of an options dataclass.

    Args:
        default: of the field; None where the field may be None.
        help: what the command line's help says of it; without it, it is no option there.
        bounds: of its numbers, or of each number of a tuple, for :func:`vestige.bounds.check_bounds`.
        empty: whether a tuple may be empty.
        paper: the paper's value, where that is another (:mod:`vestige.departures`).
        switch: what turns it off; its value then is allowed, too.
        names: on the command line, with their dashes.
        described: whatever else :class:`Described` holds.
    """
    metadata: dict[str, Any] = {"empty": empty or (switch is not None and switch.off == ())}
    if bounds is not None:
        metadata["bounds"] = bounds
    if switch is not None:
        metadata["off"] = switch.off
    if paper is not UNSET:
        metadata["paper"] = paper
    if help:
        metadata["option"] = Described(help, names, bounds=bounds, switch=switch, **described)
    made: Any = field(metadata=metadata) if default is MISSING else field(default=default, metadata=metadata)
    return made  # type: ignore[no-any-return]


def needed(help: str, *, names: tuple[str, ...] = (), **described: Any) -> Any:
    """A field that has to be given."""
    return option(MISSING, help, names=names, **described)


def backbone_option() -> str:
    """Of the network."""
    return option(
        "efficientnet_lite0",
        "The network: efficientnet_lite0, scene_cnn, object_cnn, torchvision:NAME, timm:NAME, hf:NAME, "
        "caffe:NAME@FILE, python:MODULE:FUNCTION.",
        metavar="SPEC",
    )


def seed_option(of: str) -> int:
    """Of the random numbers of what is named."""
    return option(0, f"Random seed of {of}.", bounds=SEED, metavar="N", last=True)


def pck_alphas_option(default: tuple[float, ...], chosen: str) -> tuple[float, ...]:
    """Of PCK's alphas; ``chosen`` says what the first one chooses."""
    return option(
        default,
        "Distance within which a keypoint counts as found, in longer sides of the box; repeat for several, "
        f"{chosen} by the first.",
        bounds=PCK_ALPHA,
        names=("--alpha",),
        metavar="A",
    )
