"""Freed memory is kept: later batches touch no new pages."""

import subprocess
import sys

import pytest

COUNT = """
import resource, torch
from vestige.backbones.prepare import keep_freed_memory
if {keep}:
    keep_freed_memory()
def batch():
    return sum(float(torch.ones(16 * 2**20)[0]) for _ in range(4))
batch()
batch()  # alignment may cost the heap a block or so more before it has found its size
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    batch()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(keep):
    code = COUNT.format(keep=keep)
    return int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc alone is set")
def test_large_blocks_are_not_mapped_anew():
    pages = 5 * 4 * 16 * 2**20 * 4 // 4096
    assert faults(False) > pages / 2
    assert faults(True) < pages / 50
