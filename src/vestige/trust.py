"""Networks that run code of the user's own: opened where the user named them, never because a file says so."""

from __future__ import annotations

import os

from vestige.errors import VestigeError
from vestige.spec import parse_backbone_spec

VARIABLE = "VESTIGE_TRUST"
"""The environment variable that holds trusted networks, with commas between them: ``python:mynetworks:build``."""

_opened: set[str] = set()


def note_opened(network: str) -> None:
    """Remember a network whose code the user asked for by name: it runs in this process anyway."""
    _opened.add(network)


def check_recorded(spec: str, where: object) -> None:
    """Refuse a backbone spec that was read from a file where opening it would run code that nobody typed.

    Args:
        spec: as the file has it.
        where: the file.

    Raises:
        VestigeError: saying how to allow it.
    """
    parsed = parse_backbone_spec(spec)
    if parsed.kind != "python" or parsed.network in _opened:
        return
    if parsed.network not in [name.strip() for name in os.environ.get(VARIABLE, "").split(",")]:
        raise VestigeError(
            f"{where}: names the network {parsed.network}, which is code that opening it would run. Where you trust "
            f"the run and that code, allow it by its name: set {VARIABLE}={parsed.network} in the environment"
        )
