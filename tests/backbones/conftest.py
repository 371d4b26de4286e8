"""Lets the PyPI wheel of torchvision be imported beside a CPU wheel of torch, for which it registers no operators."""

import sys
from types import ModuleType

import pytest
import torch

_LIBRARIES: list[torch.library.Library] = []  # a schema lives as long as its library object


@pytest.fixture(scope="session")
def torchvision() -> ModuleType:
    """The real torchvision; the two schemas that its import asks for are defined where they are missing."""
    if not _fits():
        _define_schemas()
    import torchvision

    return torchvision


def _fits() -> bool:
    try:
        import torchvision  # noqa: F401
    except RuntimeError as error:
        if "torchvision::nms does not exist" not in str(error):
            raise
        return False
    return True


def _define_schemas() -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]  # what the failed import left behind
    _LIBRARIES.append(torch.library.Library("torchvision", "FRAGMENT"))
    _LIBRARIES[0].define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _LIBRARIES[0].define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
