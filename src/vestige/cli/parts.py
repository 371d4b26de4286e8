"""What commands have in common: where a run goes, what is printed, and whether anything is done at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from vestige.cli.options import path_of
from vestige.options import needed, option


def runs_option(default: str) -> Path:
    """Of the folder that several runs are made in."""
    return option(Path(default), "The runs' folder.", names=("-o", "--output"), metavar="DIR", parser=path_of)


def class_option() -> str | None:
    """Of the class of an object, where a run reads several."""
    return option(None, "The object's class, where a run has several.", names=("--class",), metavar="NAME")


@dataclass(frozen=True)
class Where:
    """Where a run goes.

    Attributes:
        output: its folder.
        overwrite: whether a finished run in it is replaced.
        profile: whether it is written there where the time went.
    """

    output: Path = needed("Folder of the run; it is made.", names=("-o", "--output"), metavar="RUN", parser=path_of)
    overwrite: bool = option(False, "Replace a finished run in the folder.", names=("--overwrite",), last=True)
    profile: bool = option(
        False, "Write where the time went to the run's profile.csv.", names=("--profile",), last=True
    )


@dataclass(frozen=True)
class Printing:
    """What a command prints.

    Attributes:
        quiet: nothing but errors and the results.
        json: the results as JSON on standard output, and nothing else there.
    """

    quiet: bool = option(False, "Print errors and the results alone.", names=("--quiet",), last=True)
    json: bool = option(
        False, "Print the results as JSON on standard output, nothing else there.", names=("--json",), last=True
    )


@dataclass(frozen=True)
class Trial:
    """Whether anything is done at all.

    Attributes:
        dry_run: print what would be done, open data and network, and leave it at that.
    """

    dry_run: bool = option(
        False,
        "Open data and network, print what would be done, and stop: nothing is computed or written.",
        names=("--dry-run",),
        last=True,
    )


@dataclass(frozen=True)
class Source:
    """What was trained.

    Attributes:
        run: its folder.
    """

    run: Path = needed("A finished run.", metavar="RUN", argument=True)


@dataclass(frozen=True)
class Replacing:
    """Whether what is there already is replaced.

    Attributes:
        overwrite: whether it is.
    """

    overwrite: bool = option(False, "Replace what is there already.", names=("--overwrite",), last=True)


@dataclass(frozen=True)
class Machines:
    """Which machines share the work.

    Attributes:
        ray: a cluster's address; None for this machine alone.
    """

    ray: str | None = option(
        None,
        "Share the work out to Ray's machines: local (starts Ray here), auto, or HOST:PORT.",
        metavar="ADDRESS",
        default_text="this machine alone",
        last=True,
    )

    @contextmanager
    def used(self) -> Iterator[None]:
        """While the block runs, all of the process works with them."""
        if self.ray is None:
            yield
            return
        from vestige.cli.console import console
        from vestige.cluster.cluster import Cluster

        with Cluster.open(self.ray) as cluster, cluster.everywhere():
            cluster.say = partial(console.print, markup=False, highlight=False, soft_wrap=True)
            yield


DEVICE_ALONE = frozenset({"precision", "store_dtype", "batch", "compile"})
"""Fields of ExtractOptions that are no options of commands that read features as a run did."""
