"""Caffe's files: ``.caffemodel`` (all three encodings) and ``.binaryproto``, read with a minimal schema built here.

The schema names the few fields that carry weights, by their numbers in Caffe's ``caffe.proto``; everything else in a
file is skipped. A blob's packed floats are declared as bytes, which are the same on the wire, so that numpy reads them
at once instead of Python one by one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from torch import Tensor

from vestige.errors import VestigeError
from vestige.files import what_is

_PACKAGE = "vestige.caffe"
_Field = tuple[str, int, str, bool]  # name, number, type, whether it is repeated
_SCHEMA: dict[str, tuple[_Field, ...]] = {
    "BlobShape": (("dim", 1, "int64", True),),
    "Blob": (
        ("num", 1, "int32", False),
        ("channels", 2, "int32", False),
        ("height", 3, "int32", False),
        ("width", 4, "int32", False),
        ("data", 5, "bytes", False),
        ("shape", 7, "BlobShape", False),
        ("double_data", 8, "bytes", False),
    ),
    "Layer": (("name", 1, "string", False), ("blobs", 7, "Blob", True)),
    "V0Layer": (("name", 1, "string", False), ("blobs", 50, "Blob", True)),
    "V1Layer": (("layer", 1, "V0Layer", False), ("name", 4, "string", False), ("blobs", 6, "Blob", True)),
    "Net": (("layers", 2, "V1Layer", True), ("layer", 100, "Layer", True)),
}


@cache
def message_class(name: str) -> Any:
    """The protobuf message class of a name in the schema: ``Net``, ``Layer``, ``V1Layer``, ``V0Layer``, ``Blob``."""
    field_type = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="vestige_caffe.proto", package=_PACKAGE, syntax="proto2")
    for message, fields in _SCHEMA.items():
        described = file.message_type.add(name=message)
        for field, number, kind, repeated in fields:
            label = field_type.LABEL_REPEATED if repeated else field_type.LABEL_OPTIONAL
            added = described.field.add(name=field, number=number, label=label)
            if kind in _SCHEMA:
                added.type, added.type_name = field_type.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"
            else:
                added.type = getattr(field_type, f"TYPE_{kind.upper()}")
            if (kind, repeated) == ("int64", True):
                added.options.packed = True
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))


def read_caffemodel(path: Path) -> dict[str, Tensor]:
    """The blobs of a ``.caffemodel`` as ``NAME.weight`` and ``NAME.bias``, in the shapes of the file.

    Shapes lose their leading ones (Caffe's older encodings write a bias as 1 x 1 x 1 x C).

    Raises:
        VestigeError: where the file is truncated, or is no caffemodel.
    """
    net = _parse("Net", path, ".caffemodel")
    state: dict[str, Tensor] = {}
    for name, blobs in _layers(net):
        if len(blobs) > 2:
            raise VestigeError(f"{path}: layer {name!r} has {len(blobs)} blobs; expected weights and a bias")
        for suffix, blob in zip(("weight", "bias"), blobs, strict=False):
            values = _values(blob, path, f"layer {name!r}")
            while values.ndim > 1 and values.shape[0] == 1:
                values = values[0]
            state[f"{name}.{suffix}"] = torch.from_numpy(values)
    if not state:
        raise VestigeError(f"{path}: holds no layers with weights; expected a complete .caffemodel")
    return state


def read_binaryproto(path: Path) -> NDArray[np.float32]:
    """The array of a ``.binaryproto`` (a mean image: ``(1, 3, h, w)``, BGR).

    Raises:
        VestigeError: where the file is truncated, or is no binaryproto.
    """
    return _values(_parse("Blob", path, ".binaryproto"), path, "the blob")


def _parse(name: str, path: Path, what: str) -> Any:
    message = message_class(name)()
    try:
        if what_is(path) not in ("file", ""):
            raise OSError(0, "is no file")
        message.ParseFromString(path.read_bytes())
    except (OSError, DecodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise VestigeError(f"{path}: cannot be read ({why}); expected a complete {what}") from error
    return message


def _layers(net: Any) -> Iterator[tuple[str, list[Any]]]:
    """(name, blobs) of every layer that has blobs, from whichever encoding the file is in."""
    layers = [*net.layer, *(layer.layer if layer.HasField("layer") else layer for layer in net.layers)]
    for layer in layers:
        if layer.blobs:
            yield layer.name, list(layer.blobs)


def _values(blob: Any, path: Path, where: str) -> NDArray[np.float32]:
    shape = tuple(blob.shape.dim) if blob.HasField("shape") else (blob.num, blob.channels, blob.height, blob.width)
    stored, kind = (blob.double_data, "<f8") if blob.double_data else (blob.data, "<f4")
    if any(side < 1 for side in shape) or len(stored) != math.prod(shape) * np.dtype(kind).itemsize:
        raise VestigeError(
            f"{path}: {where} says its shape is {shape} and holds {len(stored)} bytes of {kind[1:]}; "
            "the file is damaged, or is not what its name says"
        )
    return np.frombuffer(stored, kind).astype(np.float32).reshape(shape)
