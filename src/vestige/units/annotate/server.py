"""A server on an address of this machine, until it is stopped."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager

import uvicorn

from vestige.errors import VestigeError
from vestige.spelling import spelled
from vestige.units.annotate.app import Site, make_app


@contextmanager
def listening_at(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that listens.

    Args:
        host: this machine's name or address.
        port: 0 for one that is free.

    Raises:
        VestigeError: where there is no such address, or another program listens there.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        made = socket.create_server((host, port), family=family, backlog=512)
    except OSError as error:
        raise VestigeError(
            f"{spelled('host', host)}, {spelled('port', port)}: cannot listen there: {_reason(error)}; choose "
            f"another {spelled('port')}, or an address of this machine"
        ) from error
    with closing(made):
        yield made


def _reason(error: OSError) -> str:
    return str(error.strerror) if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)


def address_of(host: str, port: int) -> str:
    """The start of links to an application; where it listens on every address, by this machine's name."""
    if host in ("0.0.0.0", "::", ""):
        host = socket.gethostname()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(site: Site, listening: socket.socket) -> None:
    """Serve the application until the process is stopped; requests that are being answered are answered."""
    config = uvicorn.Config(
        make_app(site), log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=5
    )
    uvicorn.Server(config).run(sockets=[listening])
