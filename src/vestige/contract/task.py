"""What a task is, and what a run of it was trained to do.

A task is one folder in its wing: ``task.py`` (its options and its :class:`Task`), ``measure.py`` and ``page.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, Protocol

from vestige.stopwatch import Stopwatch, timing

if TYPE_CHECKING:
    from rich.table import Table

    from vestige.contract.bench import Bench
    from vestige.contract.found import Evaluation, Found
    from vestige.contract.session import Session
    from vestige.datasets.dataset import Dataset
    from vestige.example import Example
    from vestige.features.reader import Reader
    from vestige.report.blocks import Parts
    from vestige.results import Results
    from vestige.run import Run

PHOTOGRAPH = "python -c \"from skimage import data, io; io.imsave('face.png', data.astronaut())\""
"""An example's command that writes a photograph, which ships in an installed package."""

Group = Literal["", "probe", "correspond", "units"]
"""The group of commands that a task is in; "" for none."""


@dataclass(frozen=True)
class Task:
    """A question, how it is measured, and how the answer is shown.

    What takes time to import is named as ``module:function`` and imported when it is called.

    Attributes:
        name: in results.json and in Python, unique among all tasks.
        question: that it answers, in a sentence or two: the first words of its help.
        group: of commands that it is in.
        word: its command in the group; "" for its name.
        data: a dataclass of options (:mod:`vestige.options`), whose ``open()`` gives what ``measure`` takes.
        options: the dataclasses of all other options.
        measured_by: a function of a Session, the data and the options, that returns a :class:`Found`.
        checked_by: a function of the data and the options, that refuses data which lack what is measured; "" where any
            data will do. Nothing is extracted before it is called, and it reads no pixels.
        paged_by: a function of runs, that returns a page's openings and sections.
        loaded_by: a function of a run, that returns what it was trained to do; "" where runs leave nothing to use.
        bench_by: a function of the same as ``measured_by``, that returns a :class:`vestige.contract.bench.Bench`, on
            which ``vestige compare`` compares networks and layers; "" where there is nothing to compare.
        tables_by: a function of results, that returns the tables that are printed at the end; "" for that of methods
            and that of what was tried.
        planned_by: a function of a Reader, the data and the options, that returns a
            :class:`vestige.contract.plan.Plan`; "" where the options say enough by the names that tasks share.
        example: commands that work anywhere, one a line, for its help.
        used_by: commands that use a run on other pictures, with RUN for its folder; () where none but ``evaluate`` and
            ``predict`` do.
        without: fields of :class:`vestige.extraction.ExtractOptions` that it has no use for.
    """

    name: str
    question: str
    data: type
    options: tuple[type, ...]
    measured_by: str
    paged_by: str
    checked_by: str = ""
    loaded_by: str = ""
    bench_by: str = ""
    tables_by: str = ""
    planned_by: str = ""
    group: Group = "probe"
    word: str = ""
    example: str = ""
    used_by: tuple[str, ...] = ()
    without: frozenset[str] = frozenset()

    @property
    def command(self) -> str:
        """What it is called on the command line, in its group."""
        return self.word or self.name

    def check(self, data: Any, *options: Any) -> None:
        """Refuse data that lack what is measured, before anything is extracted; arguments as of :meth:`measure`.

        Raises:
            VestigeError: naming the data set or the example, and what it lacks.
        """
        if self.checked_by:
            named(self.checked_by)(data, *options)

    def measure(self, session: Session, data: Any, *options: Any) -> Found:
        """Check the data, tell the plan where someone is told, and measure.

        Args:
            session: what it is made with.
            data: what :attr:`data` opens.
            options: one of each of :attr:`options`.

        Raises:
            VestigeError: where data or options are not what the task needs.
        """
        with Stopwatch() as watch:
            with timing("open"):
                self.check(data, *options)
                measured_by = named(self.measured_by)
            found: Found = measured_by(session.planned(self, data, options), data, *options)
            return replace(found, times=watch.spent())

    def page(self, runs: Sequence[Run]) -> Parts:
        """What a page says of finished runs.

        Raises:
            VestigeError: where a run's files lack what it is drawn from.
        """
        parts: Parts = named(self.paged_by)(runs)
        return parts

    def bench(self, session: Session, data: Any, *options: Any) -> Bench:
        """The data, checked and made ready to compare layers on; arguments and errors as of :meth:`measure`."""
        self.check(data, *options)
        bench: Bench = named(self.bench_by)(session, data, *options)
        return bench

    def tables(self, results: Results) -> Sequence[Table]:
        """What is printed of a finished run."""
        tables: Sequence[Table] = named(self.tables_by)(results)
        return tables

    def load(self, run: Run) -> Trained:
        """What a finished run was trained to do.

        Raises:
            VestigeError: where runs of this task leave nothing to use, or the run is damaged.
        """
        trained: Trained = named(self.loaded_by)(run)
        return trained


def named(place: str) -> Callable[..., Any]:
    """What ``module:function`` names."""
    module, _, name = place.partition(":")
    found: Callable[..., Any] = getattr(import_module(module), name)
    return found


class Predictor(Protocol):
    """What reads new pictures: a run's own method with all its stages."""

    @property
    def stage(self) -> str:
        """Of the method, that predicts: its last."""
        ...

    @property
    def probes(self) -> Sequence[Any]:
        """All that look at pictures (:class:`vestige.probes.engine.linear.LinearProbe`), the first look first."""
        ...

    @property
    def markup(self) -> str:
        """The name of the points' markup; "" for what are no points."""
        ...

    def predict(self, examples: Sequence[Example], reader: Reader) -> Sequence[Any]:
        """What it reads out of pictures, seen through their boxes (without one: the whole picture)."""
        ...


class Trained(Protocol):
    """What a finished run was trained to do."""

    @property
    def probes(self) -> Sequence[Any]:
        """All that look at pictures (:class:`vestige.probes.engine.linear.LinearProbe`), of every method."""
        ...

    def check(self, test: Dataset) -> None:
        """Refuse data that do not have what is measured, before any of them is read.

        Raises:
            VestigeError: naming the example and what it lacks.
        """
        ...

    def evaluate(self, test: Dataset, reader: Reader) -> Evaluation:
        """Measure every method on other data.

        Raises:
            VestigeError: where the data do not have what is measured.
        """
        ...

    def predictor(self, category: str | None = None, *, look_back: bool = True) -> Predictor:
        """What predicts on new pictures.

        Args:
            category: the class, where there are several.
            look_back: whether points are looked for once more, closer, where the run does.

        Raises:
            VestigeError: where there is no such class.
        """
        ...
