"""What the tests of features share."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

_TINY = Path(__file__).with_name("tiny.py")


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which its scenes were played, in other processes; one folder inside for each."""
    folder = tmp_path_factory.mktemp("scenes")
    done = subprocess.run([sys.executable, str(_TINY), str(folder)], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """A tiny network is faster on one core, and leaves the other to the rest of the machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
