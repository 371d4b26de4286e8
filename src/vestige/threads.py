"""How many threads torch computes with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Keep torch to one thread on the CPU. Also a decorator.

    Its threads wait for one another by spinning. Where a core is taken by somebody else's work, many small operations
    then take many times as long as on one thread, and the cores are busy for nothing. The number of threads is the
    process's: torch in another thread has one as well for as long.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
