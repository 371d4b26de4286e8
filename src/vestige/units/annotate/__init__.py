"""The annotation application: people say what units are about."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from vestige.errors import VestigeError


@contextmanager
def installed() -> Iterator[None]:
    """While the block imports what the application is made with.

    Raises:
        VestigeError: where something of it is not installed, with what installs it.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("vestige"):
            raise
        raise VestigeError(
            f"{error.name} is not installed; install what annotation needs with: pip install 'vestige[annotate]'"
        ) from error
