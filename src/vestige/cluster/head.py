"""The head of a cluster: whether it is there, for which Ray would try for long, and then end the process."""

from __future__ import annotations

import os
import re
import time

from vestige.cluster.grpc import status_of_call
from vestige.errors import VestigeError

GONE_SECONDS = 40.0
"""A head that is not reached for so long is given up, when something is waited for."""

HOST_PORT = re.compile(r"([^\s/]+):(\d{1,5})")
"""What the address of a head looks like."""

_POLL_SECONDS = 1.0
_ALIVE = "/ray.rpc.NodeInfoGcsService/CheckAlive"


class Head:
    """The head of a cluster, as HOST:PORT.

    Attributes:
        address: host and port.
        gone: whether it was given up.
    """

    def __init__(self, host: str, port: int) -> None:
        self.address = host.strip("[]"), port
        self.gone = False
        self._lost: float | None = None

    @classmethod
    def of(cls, address: str) -> Head | None:
        """That of an address; None where it names none, or the cluster speaks TLS, which is not spoken here."""
        named = HOST_PORT.fullmatch(address)
        return cls(named[1], int(named[2])) if named and os.environ.get("RAY_USE_TLS", "0") == "0" else None

    def status(self, token: str = "") -> int | None:
        """The status with which it answers that it is alive; None where it does not say one.

        Raises:
            OSError: where nobody listens, or not Ray.
        """
        return status_of_call(self.address, _ALIVE, {"authorization": f"Bearer {token}"} if token else {})

    def wait(self) -> None:
        """Wait until it is there.

        Raises:
            VestigeError: as of :meth:`is_there`.
        """
        while not self.is_there():
            time.sleep(_POLL_SECONDS)

    def is_there(self) -> bool:
        """Whether it is there.

        Raises:
            VestigeError: where it was not for :data:`GONE_SECONDS`, each time that it was looked for.
        """
        try:
            self.status()
        except OSError as error:
            now = time.monotonic()
            self._lost = now if self._lost is None else self._lost
            if now - self._lost >= GONE_SECONDS:
                self.gone = True
                raise VestigeError(
                    f"ray: the head of the cluster at {self.address[0]}:{self.address[1]} is gone ({error}); start the "
                    "cluster again, and the same command goes on from what is stored"
                ) from error
            return False
        self._lost = None
        return True
