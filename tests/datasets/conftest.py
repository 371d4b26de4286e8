"""Files in the original formats, written by the tests themselves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

WritePicture = Callable[..., Path]


@pytest.fixture
def write_picture() -> WritePicture:
    """``write_picture(path, width=40, height=30, seed=0)`` writes noise; every seed other pixels."""

    def write(path: Path, width: int = 40, height: int = 30, seed: int = 0) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
        return path

    return write


@pytest.fixture
def bad_pictures(write_picture: WritePicture) -> dict[str, Callable[[Path], object]]:
    """What can be wrong with a picture: name -> a function that makes the file at a path so."""

    def truncated(path: Path) -> None:
        write_picture(path, 200, 150)
        path.write_bytes(path.read_bytes()[:-2000])

    def folder(path: Path) -> None:
        path.unlink(missing_ok=True)
        path.mkdir()

    return {
        "truncated": truncated,
        "empty": lambda path: path.write_bytes(b""),
        "binary": lambda path: path.write_bytes(bytes(range(256)) * 8),
        "text": lambda path: path.write_text("no picture"),
        "missing": lambda path: path.unlink(missing_ok=True),
        "folder": folder,
    }
