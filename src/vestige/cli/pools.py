"""How the pools of threads under numpy, scipy and torch wait.

A thread of OpenMP (torch) or OpenBLAS (numpy, scipy) that has nothing to do first waits by spinning, by default for
tens of milliseconds: that saves microseconds at the next piece of work. Beside another program that keeps a core busy,
threads that spin hold the core that the pool's slowest thread needs. To spin for about a millisecond is enough for the
first, and short enough for the second (docs/speed.md has the figures).

The libraries read this from the environment when they are loaded: it is set before anything else is imported, for the
command line alone; what a user has set stays. A program that uses vestige as a library sets it itself.
"""

from __future__ import annotations

from collections.abc import MutableMapping

SPINS = 20_000
"""Of OpenMP's idle threads, each a pause of tens of nanoseconds."""

CYCLES = 20
"""Of OpenBLAS's idle threads: two to the power of this."""


def wait_briefly(environment: MutableMapping[str, str]) -> None:
    """Let idle threads sleep soon, where nothing else was asked for."""
    if "OMP_WAIT_POLICY" not in environment:
        environment.setdefault("GOMP_SPINCOUNT", str(SPINS))
    environment.setdefault("OPENBLAS_THREAD_TIMEOUT", str(CYCLES))
