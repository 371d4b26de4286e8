"""Ray, imported and connected to: quietly, at once where there is no cluster, and with what it asks for."""

from __future__ import annotations

import logging
import os
import signal
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from vestige.errors import VestigeError

LOCAL = "local"
"""The address that starts Ray on this machine."""

_STORE_BYTES = 200_000_000  # of shared memory, of a Ray that is started here; what does not fit goes to disk
_REACH_SECONDS = 10.0
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"  # of HTTP/2, which gRPC speaks
_SETTINGS = b"\x04"  # the kind of frame with which both sides begin, after three bytes of its length

_QUIET = {  # the third is of what Ray's machines say of themselves, which it would print on standard output
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".*",
}


def ray_library() -> Any:
    """Ray, imported quietly, which it takes from the environment.

    Raises:
        VestigeError: where it is not installed.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    if _has_token():  # which Ray shows by itself to a cluster that it finds, and not at an address
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    try:
        import ray
    except ModuleNotFoundError as error:
        raise VestigeError(
            f"ray: {error.name} is not installed; install what many machines need with: pip install 'vestige[ray]'"
        ) from error
    return ray


def _has_token() -> bool:
    """Whether there is the token of a cluster on this machine, as Ray looks for it."""
    given = os.environ.get("RAY_AUTH_TOKEN_PATH")
    file = Path(given) if given else Path.home() / ".ray" / "auth_token"
    return bool(os.environ.get("RAY_AUTH_TOKEN")) or os.access(file, os.R_OK)


def connect(ray: Any, address: str) -> str:
    """Connect; the folder of the sockets and logs of what was started, "" where that runs elsewhere.

    Raises:
        VestigeError: where there is no cluster that can be used.
    """
    quiet: dict[str, Any] = {"logging_level": logging.CRITICAL, "log_to_driver": False, "include_dashboard": None}
    folder = ""
    if address == LOCAL:
        folder = tempfile.mkdtemp(prefix=f"ray-{os.getpid()}-", dir="/tmp")  # a short name: sockets lie in it
        quiet |= {"num_cpus": _own_cores(), "object_store_memory": _STORE_BYTES, "_temp_dir": folder}
        quiet["include_dashboard"] = False
    elif path := os.environ.get("PYTHONPATH"):
        quiet["runtime_env"] = {"env_vars": {"PYTHONPATH": path}}
    try:
        _reach(address)
        with own_signals():
            ray.init(address=address, **quiet)
    except (ConnectionError, RuntimeError, ValueError, AssertionError, OSError, OverflowError) as error:
        with suppress(Exception):
            ray.shutdown()
        raise VestigeError(
            f"ray {address!r}: cannot be used ({reason_of(error)}); expected local, or the address of a cluster that "
            "this machine is a node of, HOST:PORT or auto, and the cluster's token, if it has one, in ~/.ray/auth_token"
        ) from error
    return folder


def _reach(address: str) -> None:
    """Raise OSError where nobody listens, or one who does not answer as Ray's gRPC does: Ray tries for minutes."""
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdecimal():
        return
    with socket.create_connection((host, int(port)), _REACH_SECONDS) as there:
        if os.environ.get("RAY_USE_TLS", "0") == "0":
            there.sendall(_PREFACE + bytes(3) + _SETTINGS + bytes(5))  # a frame that is empty
            if there.recv(4)[3:] != _SETTINGS:
                raise ConnectionError("what listens there is not Ray")


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
