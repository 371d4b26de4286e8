"""A dissection used on photographs: its network, its layers, and their maps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vestige.errors import VestigeError
from vestige.options import needed
from vestige.spelling import either, spelled

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from vestige.backbones import Backbone
    from vestige.contract.session import Session
    from vestige.example import Example
    from vestige.features.reader import Reader
    from vestige.images import Pixels
    from vestige.units.activations import ActivationReader
    from vestige.units.dissect.run import DissectRun

Units = tuple[tuple[str, int], ...]
"""Units by layer and number."""


@dataclass(frozen=True)
class RunAndPictures:
    """A dissection, and photographs to look at by what it found.

    Attributes:
        run: its folder.
        images: the photographs' files.
    """

    run: Path = needed("A finished run of `vestige units dissect`.", metavar="RUN", argument=True)
    images: tuple[Path, ...] = needed("Photographs.", argument=True, metavar="IMAGE...")

    def open(self) -> tuple[DissectRun, tuple[Example, ...]]:
        """The run, and the photographs."""
        from vestige.datasets.photographs import open_pictures
        from vestige.run import Run
        from vestige.units.dissect.run import read_dissection

        return read_dissection(Run(self.run)), open_pictures(self.images)


def reader_of(run: DissectRun, spec: str, layers: Sequence[str], session: Session) -> ActivationReader:
    """The run's network, or one given for it, ready to give the maps of some of its layers.

    Raises:
        VestigeError: as :func:`network_of`.
    """
    from vestige.units.activations import ActivationReader

    return ActivationReader(network_of(run, spec, session.reader), layers, session.reader.options)


def network_of(run: DissectRun, spec: str, reader: Reader) -> Backbone:
    """The run's network, or one given for it.

    Raises:
        VestigeError: where the network is another than the run's.
    """
    backbone = reader.backbone(spec or str(run.results.backbone["spec"]))
    if backbone.weights_sha256 != run.results.backbone["weights_sha256"]:
        raise VestigeError(
            f"{backbone.spec}: has other weights than the network of {run.name}, "
            f"{run.results.backbone['spec']}; give that one with {spelled('backbone', word='SPEC')}"
        )
    return backbone


def looked_at(
    reader: ActivationReader, examples: Sequence[Example]
) -> Iterator[tuple[Example, Pixels, Mapping[str, NDArray[np.float32]]]]:
    """Photographs with their pixels as the network is shown them, and their maps ``(C, h, w)`` by layer.

    Raises:
        VestigeError: where one cannot be read.
    """
    from vestige.images import Crop

    with closing(reader.read([Crop(example) for example in examples])) as batches:
        for batch in batches:
            if batch.problems:
                raise VestigeError(next(iter(batch.problems.values())))
            for i, row in enumerate(batch.rows):
                maps = {name: each[i].numpy() for name, each in batch.maps.items()}
                yield examples[row], batch.pixels[i].numpy(), maps


def units_of(run: DissectRun, names: Sequence[str]) -> Units:
    """Units as ``LAYER:NUMBER`` names them.

    Raises:
        VestigeError: where the run has no such unit.
    """
    found = []
    for name in names:
        layer, _, number = name.rpartition(":")
        asked = either(spelled("unit", name), f"units={name!r}")
        units = len(run.of(layer, "threshold")) if layer in run.layers else 0
        if not number.isdecimal() or int(number) >= units:
            known = ", ".join(f"{each}:0 to {len(run.of(each, 'threshold')) - 1}" for each in run.layers)
            raise VestigeError(f"{asked}: expected LAYER:NUMBER of a unit that the run has: {known}")
        found.append((layer, int(number)))
    return tuple(found)


def check_labels(run: DissectRun) -> None:
    """Refuse runs whose units have no labels.

    Raises:
        VestigeError: naming the run.
    """
    if not run.objects:
        raise VestigeError(
            f"{run.name}: its units have no labels: it was made of pictures without annotated objects; "
            "dissect pictures that have some, as miniplaces:DIR"
        )


def labelled(run: DissectRun, least: float) -> Units:
    """Units whose overlap with their object is at least so large; all units of a run without objects."""
    import numpy as np

    found = []
    for layer in run.layers:
        units = np.arange(len(run.of(layer, "threshold")))
        if run.objects:
            units = np.flatnonzero(run.of(layer, "iou") >= least)
        found += [(layer, int(unit)) for unit in units]
    return tuple(found)
