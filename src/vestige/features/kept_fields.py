"""Receptive fields, found once for an architecture and kept in the cache.

Finding them takes a hundred passes through the network, and they are the same whatever its weights. They lie in
``receptive-fields/KEY.json``, where KEY is of what they depend on: the operations of the network and how its layers
are read, the size of its input, and the code that finds them. What is damaged there, or cannot be read or written, is
passed over: the fields are found again.
"""

from __future__ import annotations

import hashlib
import inspect
import os
from collections.abc import Sequence
from contextlib import suppress
from functools import cache as once
from pathlib import Path

import torch

from vestige.backbones import Backbone, ReceptiveField, backbone, graph, receptive, watching
from vestige.documents import check_json
from vestige.errors import VestigeError
from vestige.features.cache import KeptFields, cache_root
from vestige.features.digests import shallow, to_json
from vestige.files import write_text
from vestige.progress import Progress, count_nothing
from vestige.version import __version__


def receptive_fields(
    network: Backbone, names: Sequence[str], progress: Progress = count_nothing
) -> dict[str, ReceptiveField]:
    """The receptive fields of layers: from the cache where they are there, else found and kept.

    Args:
        network: on the CPU.
        names: of layers.
        progress: called with how many layers are done, and how many there are, where fields have to be found.

    Returns:
        name -> field, in the order of ``names``.

    Raises:
        VestigeError: where a layer does not run or cannot be read.
    """
    path = _path(network)
    known = {} if path is None else _read(path)
    missing = [name for name in names if network.path(name) not in known]
    if missing:
        found = receptive.find_receptive_fields(network, missing, progress)
        known |= {network.path(name): field for name, field in found.items()}
        if path is not None:
            _write(path, network.spec, known)
    return {name: known[network.path(name)] for name in names}


def _path(network: Backbone) -> Path | None:
    """The file of a network; None where there is no place for a cache."""
    try:
        folder = KeptFields.folder(cache_root())
    except VestigeError:
        return None
    turned = sorted({network.path(name) for name in network.channels_last_layers})
    parts = (
        _code(),
        torch.__version__,
        graph.graph_sha256(network.module, receptive.typical_inputs(network)),
        repr((network.preprocessing.size, turned, network.prefix_tokens, network.register_tokens)),
    )
    return folder / f"{hashlib.sha256(chr(10).join(parts).encode()).hexdigest()}.json"


@once
def _code() -> str:
    """The code that finds receptive fields."""
    try:
        return "".join(inspect.getsource(module) for module in (backbone, graph, receptive, watching))
    except OSError:  # installed without it
        return __version__


def _read(path: Path) -> dict[str, ReceptiveField]:
    """What is kept in a file; nothing where it is missing, damaged or changed."""
    try:
        kept = KeptFields.read(path)
        found = {name: check_json(field, ReceptiveField) for name, field in kept.fields.items()}
        os.utime(path)  # it was used
    except (VestigeError, ValueError):
        return {}
    except OSError:  # a cache that cannot be written
        pass
    return found


def _write(path: Path, spec: str, known: dict[str, ReceptiveField]) -> None:
    """Keep fields; a cache that cannot be written does not, and they are found again the next time."""
    kept = KeptFields(backbone=spec, fields={name: shallow(field) for name, field in known.items()})
    with suppress(VestigeError):
        write_text(path, to_json(kept), overwrite=True)
