"""Tasks with mistakes in them: one with options that no command line takes, and one that fails when it measures."""

from dataclasses import dataclass, replace

from vestige.options import option
from vestige_squares.depth.task import DEPTH


@dataclass(frozen=True)
class OddOptions:
    """An option of a type that no word is of."""

    strange: "NoSuchType" = option(None, "Strange.")  # noqa: F821


ODD = replace(DEPTH, name="odd", options=(OddOptions,))
FAULTY = replace(DEPTH, name="faulty", checked_by="", measured_by="vestige_squares.mistakes:fail", options=())


def fail(*_given):
    """Divide by nothing."""
    return 1 / 0
