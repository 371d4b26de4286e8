"""Ray, imported and connected to: quietly, and at once where there is no cluster."""

from __future__ import annotations

import atexit
import fcntl
import logging
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from vestige.cluster.authentication import authentication_of, in_environment, own_authentication
from vestige.cluster.head import HOST_PORT, Head
from vestige.errors import VestigeError

LOCAL = "local"
"""The address that starts Ray on this machine."""

_AUTO = "auto"
_TEMPORARY, _PREFIX = "/tmp", "vray-"  # sockets lie in folders of such names, which must be short
_STORE_BYTES = 200_000_000  # of shared memory, of a Ray that is started here; what does not fit goes to disk

_QUIET = {  # the third is of what Ray's machines say of themselves, which it would print on standard output
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".*",
}

_PATIENT = {"RAY_gcs_rpc_server_reconnect_timeout_s": "600"}
"""Of a Ray that is connected elsewhere: by itself it ends the process when the head was not reached for a minute."""


def ray_library() -> Any:
    """Ray, imported quietly, which it takes from the environment.

    Raises:
        VestigeError: where it is not installed.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ModuleNotFoundError as error:
        raise VestigeError(
            f"ray: {error.name} is not installed; install what many machines need with: pip install 'vestige[ray]'"
        ) from error
    return ray


def connect(ray: Any, address: str) -> tuple[ExitStack, Head | None]:
    """Connect to a cluster, or start one here.

    Returns:
        What lets go of the cluster when it is closed, and ends what was started; and the cluster's head, None where it
        is not to be looked for.

    Raises:
        VestigeError: where there is no cluster that can be used.
    """
    if address not in (LOCAL, _AUTO) and not HOST_PORT.fullmatch(address):
        raise VestigeError(
            f"ray {address!r}: expected local, auto, or the HOST:PORT of a cluster's head, as in 10.0.0.1:6379"
        )
    quiet: dict[str, Any] = {"logging_level": logging.CRITICAL, "log_to_driver": False, "include_dashboard": None}
    found, head = address, None
    with ExitStack() as ending:
        try:
            if address == LOCAL:
                folder = _own_folder(ending)
                quiet |= {"num_cpus": _own_cores(), "object_store_memory": _STORE_BYTES, "_temp_dir": folder}
                quiet |= {"address": LOCAL, "include_dashboard": False}
                ending.enter_context(in_environment(own_authentication()))
            else:
                if path := os.environ.get("PYTHONPATH"):
                    quiet["runtime_env"] = {"env_vars": {"PYTHONPATH": path}}
                quiet["address"] = found = _found(address)
                head = Head.of(found)
                ending.enter_context(in_environment(_PATIENT | authentication_of(head)))
            ending.callback(_end, ray)
            with own_signals():
                ray.init(**quiet)
        except (ConnectionError, RuntimeError, ValueError, AssertionError, OSError, OverflowError) as error:
            where = "" if found == address else f"{found}: "
            raise VestigeError(
                f"ray {address!r}: cannot be used ({where}{reason_of(error)}); expected local, or the address of a "
                "cluster that this machine is a node of, HOST:PORT or auto"
            ) from error
        return ending.pop_all(), head


def _own_folder(ending: ExitStack) -> str:
    """A folder for a Ray that is started here, locked while it is used; those of processes that were killed go."""
    for path in Path(_TEMPORARY).glob(f"{_PREFIX}*"):
        with suppress(OSError), ExitStack() as held:  # another's, or in use
            _lock(path, held)
            shutil.rmtree(path, ignore_errors=True)
    folder = tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=_TEMPORARY)
    with suppress(OSError):
        _lock(folder, ending)
    ending.callback(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)  # after Ray's own, which ends what was just starting
    return folder


def _lock(folder: str | Path, ending: ExitStack) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    ending.callback(os.close, descriptor)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _end(ray: Any) -> None:
    with own_signals(), suppress(Exception):
        ray.shutdown()


def _found(address: str) -> str:
    """The address of the cluster that this machine is a node of, where that is meant; else the same."""
    if address != _AUTO:
        return address
    with suppress(ImportError, AttributeError):  # it is Ray's own
        from ray._private.services import canonicalize_bootstrap_address

        return canonicalize_bootstrap_address(_AUTO) or address
    return address


def _own_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def own_signals() -> Iterator[None]:
    """While the block runs Ray may take SIGTERM for itself; afterwards it is whose it was."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def reason_of(error: Exception) -> str:
    """The first line of what an error says, or what the error says that ended a task."""
    error = getattr(error, "cause", error)
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
