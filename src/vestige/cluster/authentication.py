"""The token that a cluster asks for: found out before Ray connects, which else fails later and elsewhere.

A Ray that shows a token to a cluster without one loses every worker that it starts; one that shows none where one is
asked for is refused. By itself it shows its token only to clusters that it finds without an address.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path

from vestige.cluster.grpc import OK, UNAUTHENTICATED
from vestige.cluster.head import Head

_MODE, _TOKEN, _TOKEN_PATH = "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"


def own_authentication() -> dict[str, str]:
    """The environment of a Ray that is started here: with a token of its own, which nobody else ever reads.

    Ray would leave one in the user's folder, for which clusters that are started later would ask.
    """
    given = {name: value for name in (_MODE, _TOKEN) if (value := os.environ.get(name))}
    return {_MODE: "token", _TOKEN: secrets.token_hex(32)} | given


def authentication_of(head: Head | None) -> dict[str, str]:
    """The environment of a Ray that is to be let into a cluster, by its head; None for one that cannot be asked.

    Raises:
        OSError: where nobody listens, or not Ray; where the token is missing or another.
    """
    token, where = _token()
    status = None if head is None else head.status()
    if status == OK:
        return {_MODE: "disabled"}
    if head is None or status != UNAUTHENTICATED:
        return {_MODE: "token"} if token else {}
    if not token:
        raise PermissionError(f"it asks for its token, and there is none here: copy {where} from the cluster's head")
    if head.status(token) == UNAUTHENTICATED:
        raise PermissionError(f"it asks for another token than that of {where}: copy that file from the cluster's head")
    return {_MODE: "token"}


def _token() -> tuple[str, str]:
    """The token as Ray looks for it, "" where there is none; and where it would be."""
    if given := os.environ.get(_TOKEN, "").strip():
        return given, _TOKEN
    named = os.environ.get(_TOKEN_PATH)
    path = Path(named) if named else Path.home() / ".ray" / "auth_token"
    with suppress(OSError, UnicodeDecodeError):
        return path.read_text().strip(), str(path)
    return "", str(path)


@contextmanager
def in_environment(settings: Mapping[str, str]) -> Iterator[None]:
    """While the block runs, settings are in the environment, and Ray knows them."""
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    _have_ray_look()
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        _have_ray_look()


def _have_ray_look() -> None:
    """Have Ray look at the environment again: it keeps what it saw."""
    with suppress(ImportError, AttributeError):  # of a Ray that knows no tokens
        own = import_module("ray._raylet")
        own.Config.initialize("")
        own.AuthenticationTokenLoader.instance().reset_cache()
