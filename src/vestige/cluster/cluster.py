"""Ray, as far as it is used here: tasks, and workers that each hold something such as a network.

A function, what it is called with and what it returns travel between processes, so they must be picklable; where a
function is from a module, every node imports it from its own installation.
"""

from __future__ import annotations

import os
import platform
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from vestige.cluster.connection import LOCAL, connect, ray_library, reason_of
from vestige.cluster.head import Head
from vestige.errors import VestigeError
from vestige.merging import merged_in_pairs
from vestige.progress import Say, print_nothing
from vestige.spelling import is_on_command_line, on_command_line

Result = TypeVar("Result")

LOGS = "/tmp/ray/session_latest/logs"
"""Where Ray's logs are on a machine, unless its cluster was started with another folder."""

DEATHS = 3
"""How often a part is done again where what does it dies: at the next death it is the part that is at fault."""

_LOOK_SECONDS = 5.0  # between two looks for the cluster's head, while nothing ends
_IDLE_SECONDS = 10.0  # for which workers are kept between two blocks; others wait for their cores
_CORES = 4  # of a worker that holds a network: convolutions gain little from more


@dataclass(frozen=True)
class Node:
    """A machine of a cluster.

    Attributes:
        id: Ray's.
        name: of the host.
        cpus: that Ray gives out.
        gpus: that Ray gives out.
    """

    id: str
    name: str
    cpus: int
    gpus: int


@dataclass(frozen=True)
class _Refused:
    """What a VestigeError says; as a value, for Ray prints the errors that tasks raise."""

    message: str


@dataclass(frozen=True)
class _Caller:
    """What a call has of the process that makes it.

    Attributes:
        folder: to which relative paths are.
        dashed: whether options are spelled as on the command line.
    """

    folder: str
    dashed: bool

    @classmethod
    def here(cls) -> _Caller:
        return cls(str(Path.cwd()), is_on_command_line())


class Cluster:
    """Ray's machines. A process uses one cluster at a time; :meth:`open` opens it.

    Attributes:
        address: as it was given.
        say: takes a line about what died and is replaced.
    """

    _open: Cluster | None = None
    _used: Cluster | None = None

    def __init__(self, address: str, ray: Any, connection: ExitStack, head: Head | None) -> None:
        self.address = address
        self._ray = ray
        self._connection = connection
        self._head = head
        self.say: Say = print_nothing
        self._openings = 0
        self._idle: list[Any] = []
        self._timer = threading.Timer(0.0, self.release)  # never started
        self._lock = threading.Lock()
        self._kind: tuple[int, int] = (0, 0)

    def __repr__(self) -> str:
        return f"Cluster({self.address!r})"

    @classmethod
    def open(cls, address: str) -> Cluster:
        """Connect to a cluster, or start one on this machine; the same one where it is open already.

        Args:
            address: ``local``: start Ray here; ``auto``: the cluster that this machine is a node of; HOST:PORT.

        Raises:
            VestigeError: where Ray is not installed or there is no cluster, or another one is open.
        """
        if cls._open is None:
            ray = ray_library()
            known = ray.is_initialized()  # by whoever called: it is theirs to end
            cls._open = cls(address, ray, *((ExitStack(), None) if known else connect(ray, address)))
        elif address != cls._open.address:
            raise VestigeError(f"ray {address!r}: this process uses {cls._open.address!r} already; close that first")
        cls._open._openings += 1
        return cls._open

    @classmethod
    def used(cls) -> Cluster | None:
        """The cluster that all of the process works with, where one was said (:meth:`everywhere`)."""
        return cls._used

    @contextmanager
    def everywhere(self) -> Iterator[None]:
        """While the block runs, whatever can be given to a cluster is given to this one."""
        before, Cluster._used = Cluster._used, self
        try:
            yield
        finally:
            Cluster._used = before

    def close(self) -> None:
        """End what was started here, or let go of a cluster that runs elsewhere, once all have who opened it."""
        self._openings -= 1
        if self._openings or Cluster._open is not self:
            return
        Cluster._open = None
        self.release()
        self._connection.close()

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The machines that are alive.

        Raises:
            VestigeError: where the head of the cluster is gone.
        """
        if self._head is not None:
            self._head.wait()
        return tuple(
            Node(
                id=each["NodeID"],
                name=each["NodeManagerHostname"],
                cpus=int(each["Resources"].get("CPU", 0)),
                gpus=int(each["Resources"].get("GPU", 0)),
            )
            for each in self._ray.nodes()
            if each["Alive"]
        )

    @property
    def cpus(self) -> int:
        """Cores of all machines: how many tasks of one core run at a time."""
        return sum(node.cpus for node in self.nodes)

    @property
    def gpus(self) -> int:
        """Of all machines."""
        return sum(node.gpus for node in self.nodes)

    def share(self, value: Any) -> Any:
        """What stands for a value in the arguments of calls: each node gets it once, however many calls it is in.

        Raises:
            VestigeError: where there is no room for it.
        """
        with self._in_words():
            return self._ray.put(value)

    def on(self, node: str, function: Callable[..., Result], *args: Any) -> Result:
        """What ``function(*args)`` returns on one machine; none of its cores is taken for it.

        Args:
            node: the machine's id.
            function: what is called.
            args: its arguments.

        Raises:
            VestigeError: that the call raised, or where the machine is gone.
        """
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        there = NodeAffinitySchedulingStrategy(node, soft=False)
        call = self._ray.remote(_called).options(num_cpus=0, max_retries=DEATHS, scheduling_strategy=there)
        try:
            with self._in_words():
                made = call.remote(_Caller.here(), function, *args)
            found: Result = self._got(made)
        except self._deaths as error:
            raise self._died(0, DEATHS + 1, error) from error
        return found

    def merged(
        self,
        function: Callable[..., Result],
        parts: Iterable[tuple[Any, ...]],
        merge: Callable[[Result, Result], Result],
    ) -> Result:
        """What ``function(*part)`` comes to for all parts together, merged in pairs where they are, as
        :func:`vestige.merging.merged_in_pairs` does it: only the whole comes here.

        Args:
            function: what is called.
            parts: its arguments, at least one; what :meth:`share` gave arrives as what was shared.
            merge: of what stands on the left and on the right; may change the left one.

        Raises:
            VestigeError: that a call raised, or where workers die at the same part again and again.
        """
        self.release()
        caller = _Caller.here()
        options = {"num_cpus": 1, "max_retries": DEATHS}
        call, join = (self._ray.remote(each).options(**options) for each in (_called, _merged))
        running: list[Any] = []  # not cancelled if one fails: Ray aborts the process that cancels a task as it ends

        def begun() -> Iterator[Any]:
            for part in parts:
                while len(running) >= 2 * max(1, self.cpus):
                    running.remove(self._ended(running))
                with self._in_words():
                    running.append(call.remote(caller, function, *part))
                yield running[-1]

        try:
            whole = merged_in_pairs(begun(), lambda left, right: join.remote(caller, merge, left, right))
            found: Result = self._got(whole)
        except self._deaths as error:
            raise self._died(0, DEATHS + 1, error) from error
        return found

    @contextmanager
    def actors(
        self,
        make: Callable[..., Callable[..., Result]],
        *args: Any,
        most: int,
        gpu: bool = False,
        wide: bool = False,
    ) -> Iterator[Actors[Result]]:
        """Workers that each hold what ``make(*args)`` gives while the block runs: one for every few cores, or for each
        GPU.

        Their processes are kept afterwards, with their cores, for a next block that follows within seconds. Within the
        block nothing else may be given to the cluster: it would wait for these cores.

        Args:
            make: returns what is called for each part; called once in every worker.
            args: its arguments; what :meth:`share` gave arrives as what was shared.
            most: workers, at most.
            gpu: whether each has a GPU of its own.
            wide: where there are fewer of them than there could be, each has so many more cores.
        """
        self._timer.cancel()
        kind, count = self._groups(gpu, most if wide else None)
        if kind != self._kind:
            self.release()
            self._kind = kind
        actors: Actors[Result] = Actors(self, make, args, min(count, most))
        try:
            yield actors
        finally:
            self._keep(actors.end())

    def cores(self, *, gpu: bool = False) -> int:
        """Of each of the workers of :meth:`actors`."""
        return self._groups(gpu)[0][0]

    def _groups(self, gpu: bool, most: int | None = None) -> tuple[tuple[int, int], int]:
        """The cores and GPUs of a worker that holds something, and how many of them there are; wide ones where that is
        more than ``most``."""
        if gpu:
            nodes = [node for node in self.nodes if node.gpus]
            cores = min((node.cpus // node.gpus for node in nodes), default=1)
            return (max(1, min(cores, _CORES)), 1), max(1, sum(node.gpus for node in nodes))
        nodes = [node for node in self.nodes if node.cpus]
        cores = min(_CORES, *(node.cpus for node in nodes)) if nodes else 1
        if nodes and most is not None:
            cores = min(max(cores, self.cpus // most), max(node.cpus for node in nodes))
        return (cores, 0), max(1, sum(node.cpus // cores for node in nodes))

    def _worker(self) -> Any:
        """A worker that is idle, or a new one; processes are kept for a while, as it takes seconds to start one."""
        with self._lock:
            if self._idle:
                return self._idle.pop()
        cores, gpus = self._kind
        kind = self._ray.remote(_Worker)
        return kind.options(num_cpus=cores, num_gpus=gpus, scheduling_strategy="SPREAD").remote()

    def _keep(self, workers: Sequence[Any]) -> None:
        """Have workers at hand for the next block that follows soon."""
        with self._lock:
            self._idle += workers
            self._timer = threading.Timer(_IDLE_SECONDS, self.release)
            self._timer.daemon = True
            self._timer.start()

    def release(self) -> None:
        """End the workers that are idle, so that others have their cores."""
        with self._lock:
            self._timer.cancel()
            idle, self._idle = self._idle, []
        for worker in idle:
            self._kill(worker)

    def _kill(self, worker: Any) -> None:
        """End a worker; with a head that is gone, it ends by itself."""
        if self._head is None or not self._head.gone:
            self._ray.kill(worker)

    def _ended(self, calls: list[Any]) -> Any:
        """One of some calls, that has ended.

        Raises:
            VestigeError: where the head of the cluster is gone.
        """
        while True:
            ended, _ = self._ray.wait(calls, num_returns=1, timeout=_LOOK_SECONDS)
            if ended:
                return ended[0]
            if self._head is not None:
                self._head.is_there()

    def _got(self, call: Any) -> Any:
        """What a call returned.

        Raises:
            VestigeError: that it raised, or that says what the machines lack.
        """
        with self._in_words():
            result = self._ray.get(self._ended([call]))
        if isinstance(result, _Refused):
            raise VestigeError(result.message)
        return result

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        """Say what the machines lack, where Ray says so; deaths, and faults of what ran there, are let pass."""
        errors = self._ray.exceptions
        try:
            yield
        except self._deaths:
            raise
        except (errors.ObjectStoreFullError, errors.OutOfDiskError) as error:
            raise VestigeError(
                f"ray {self.address!r}: what goes between processes fits neither the object store nor the disk below "
                f"it; free disk on the machines, or start Ray with more object_store_memory ({reason_of(error)})"
            ) from error
        except errors.RayError as error:
            if isinstance(error, ImportError):
                raise VestigeError(
                    f"ray {self.address!r}: a machine cannot import what is installed here ({reason_of(error)}); "
                    f"'vestige cluster check {self.address}' says what each lacks"
                ) from error
            if isinstance(error, errors.RayTaskError) and not isinstance(error.cause, errors.RayError):
                raise
            raise VestigeError(f"ray {self.address!r}: cannot go on{self._logs} ({reason_of(error)})") from error

    def _died(self, index: int, times: int, error: Exception) -> VestigeError:
        where = f"part {index} was begun" if index >= 0 else "they were started"
        return VestigeError(
            f"ray {self.address!r}: workers died {times} times after {where}, perhaps for lack of memory{self._logs} "
            f"({reason_of(error)})"
        )

    @property
    def _logs(self) -> str:
        """Where to read more; the logs of a Ray that was started here go with it."""
        return "" if self.address == LOCAL else f"; Ray's logs say more, on the machines in {LOGS}"

    @property
    def _deaths(self) -> tuple[type[Exception], ...]:
        """What Ray raises where a process or a machine died, and not what ran there."""
        errors = self._ray.exceptions
        return (
            errors.RayActorError,
            errors.WorkerCrashedError,
            errors.NodeDiedError,
            errors.LocalRayletDiedError,
            errors.OutOfMemoryError,
            errors.ObjectLostError,
        )


class Actors(Generic[Result]):
    """Workers that each hold what makes a result of a part; :meth:`Cluster.actors` gives them."""

    def __init__(self, cluster: Cluster, make: Callable[..., Any], args: Sequence[Any], count: int) -> None:
        self._cluster = cluster
        self._make = make
        self._args = args
        self._count = count
        self._ready: list[Any] = []
        self._busy: dict[Any, tuple[Any, int]] = {}  # what is waited for -> worker, and the part; -1 for none yet

    def run(self, parts: Iterable[tuple[Any, ...]]) -> Iterator[tuple[int, Result]]:
        """Call what is held with every part, on whatever worker is free.

        A worker that dies is replaced and its part done again. (Ray's own restarts would wait for the machine that is
        gone where the others have no room for one more worker.)

        Yields:
            The number of a part, and what the call returned, as they end.

        Raises:
            VestigeError: that a call raised, or where workers die at the same part again and again.
        """
        left = enumerate(parts)
        again: deque[int] = deque()
        under_way: dict[int, tuple[Any, ...]] = {}
        deaths: Counter[int] = Counter()

        def following() -> int | None:
            if again:
                return again.popleft()
            for index, part in left:
                under_way[index] = part
                return index
            return None

        for _ in range(self._count - len(self._ready)):
            self._start()
        while True:
            while self._ready and (index := following()) is not None:
                worker = self._ready.pop()
                self._busy[worker.call.remote(_Caller.here(), *under_way[index])] = worker, index
            if not under_way and (self._ready or not self._busy):
                return
            done = self._cluster._ended(list(self._busy))
            worker, index = self._busy[done]  # which end() ends if an error ends this
            try:
                result = self._cluster._got(done)
            except self._cluster._deaths as error:
                deaths[index] += 1
                if deaths[index] > (DEATHS if index >= 0 else DEATHS * self._count):  # a machine takes many with it
                    raise self._cluster._died(index, deaths[index], error) from error
                self._cluster.say(f"a worker on the cluster died, and another goes on ({reason_of(error)})")
                if index >= 0:
                    again.append(index)
                self._cluster._kill(worker)  # which is perhaps only out of reach
                del self._busy[done]
                self._start()
                continue
            del self._busy[done]
            self._ready.append(worker)
            if index >= 0:
                del under_way[index]
                yield index, result

    def _start(self) -> None:
        """Have a worker make what it holds."""
        worker = self._cluster._worker()
        self._busy[worker.hold.remote(_Caller.here(), self._make, *self._args)] = worker, -1

    def end(self) -> list[Any]:
        """The workers that can be used again; those that are still at something end."""
        for worker, _ in self._busy.values():
            self._cluster._kill(worker)
        self._busy = {}
        return self._ready


class _Worker:
    """What runs in the process of an actor."""

    def __init__(self) -> None:
        self._held: Any = None

    def hold(self, caller: _Caller, make: Callable[..., Any], *args: Any) -> _Refused | None:
        self._held = None  # before the next is made: two may not fit the memory
        self._held = _called(caller, make, *args)
        return self._held if isinstance(self._held, _Refused) else None

    def call(self, caller: _Caller, *part: Any) -> Any:
        return _called(caller, self._held, *part)


def _called(caller: _Caller, function: Callable[..., Any], *args: Any) -> Any:
    """What a function returns, or what its VestigeError says, as if it were called where the caller is."""
    with suppress(OSError):  # a machine without the folder
        os.chdir(caller.folder)
    with on_command_line() if caller.dashed else nullcontext():
        try:
            return function(*args)
        except VestigeError as error:
            machine = platform.node()
            return _Refused(str(error) if machine in str(error) else f"{error} (on the machine {machine})")


def _merged(caller: _Caller, merge: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
    """Two results as one; what is refused stays so."""
    refused = next((each for each in (left, right) if isinstance(each, _Refused)), None)
    return refused or _called(caller, merge, left, right)
