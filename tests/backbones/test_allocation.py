"""Freed memory is kept: later batches touch no new pages."""

import subprocess
import sys

import pytest

COUNT = """
import ctypes, resource, torch
from vestige.backbones.prepare import keep_freed_memory
ctypes.CDLL(None).prctl(41, 1, 0, 0, 0)  # PR_SET_THP_DISABLE: pages of 4096 bytes on every machine
if {keep}:
    keep_freed_memory()
def batch():
    return sum(float(torch.ones(10 * 2**20)[0]) for _ in range(2))
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
counted = []
for _ in range(5):
    before = faults()
    batch()
    counted.append(faults() - before)
print(min(counted))  # alignment may cost the heap a block or so more before it has found its size
"""


def faults(keep):
    code = COUNT.format(keep=keep)
    return int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc alone is set")
def test_large_blocks_are_not_mapped_anew():
    pages = 2 * 10 * 2**20 * 4 // 4096  # of a batch
    assert faults(False) > pages / 2
    assert faults(True) < pages / 50
