"""What an alignment starts from: instances, their grids of features and their nearest neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vestige.backbones import Layer
from vestige.correspondence.align.task import AlignOptions
from vestige.correspondence.grids import Cells, Grids, SiftGrids, layer_cells, network_grids
from vestige.correspondence.instances import Instances
from vestige.correspondence.matched import MatchedInstances, match_instances
from vestige.datasets.dataset import Dataset
from vestige.errors import VestigeError
from vestige.features.reader import Read, Reader
from vestige.progress import Say
from vestige.spelling import spelled

FEWEST_CELLS = 12
"""Along each side of the grid of the layer that is taken where none is named (the paper's conv4 has 13)."""

FOLDS = 5
"""Of the training data: where betas are tried, an instance's neighbours are in other folds."""


@dataclass(frozen=True)
class GridFeature:
    """One kind of feature on one grid, of all instances.

    Attributes:
        layer: at whose places it is computed.
        sift: whether it is SIFT; else it is the layer's own.
        train: of the training instances.
        test: of the test instances.
    """

    layer: str
    sift: bool
    train: Grids
    test: Grids

    @property
    def cells(self) -> Cells:
        """Where its cells stand."""
        return self.test.cells


@dataclass(frozen=True)
class Prepared:
    """What an alignment starts from.

    Attributes:
        matched: the instances and their neighbours.
        features: every layer's, then SIFT on every different grid.
        notes: what was given up.
    """

    matched: MatchedInstances
    features: tuple[GridFeature, ...]
    notes: tuple[str, ...]


def prepare(train: Dataset, test: Dataset, options: AlignOptions, reader: Reader, say: Say) -> Prepared:
    """Find instances, their grids and their neighbours.

    Raises:
        VestigeError: where a layer is no grid, and as :func:`vestige.correspondence.matched.match_instances`.
    """
    cells, notes = layer_cells(reader.backbone(options.backbone), _layers(options, reader))
    read = _global_read(options, reader)
    say(f"neighbours by {read.layer.name} ({read.readout}) of {options.backbone}")
    folds = FOLDS if len(options.betas) > 1 or len(cells) > 1 else 1  # where nothing is chosen, none are needed
    matched = match_instances(train, test, read, options.backbone, reader, folds=folds, k=options.neighbours)
    features = _features(cells, (matched.train, matched.test), options, reader, say)
    return Prepared(matched, features, (*notes, *matched.notes))


def _layers(options: AlignOptions, reader: Reader) -> tuple[Layer, ...]:
    """The layers that are asked for, or the deepest one with enough cells."""
    backbone = reader.backbone(options.backbone)
    if options.layers:
        return backbone.layers(backbone.select(options.layers))
    fine = [layer for layer in backbone.layers() if layer.kind == "grid" and min(layer.shape[1:]) >= FEWEST_CELLS]
    if not fine:
        raise VestigeError(
            f"{options.backbone} has no grid layer of {FEWEST_CELLS} x {FEWEST_CELLS} cells: name one with "
            f"{spelled('layers')}; vestige layers {options.backbone} lists them"
        )
    return (fine[-1],)


def _global_read(options: AlignOptions, reader: Reader) -> Read:
    backbone = reader.backbone(options.backbone)
    name = options.neighbour_layer or list(backbone.paths)[-1]
    reads = reader.reads(options.backbone, [name])
    if len(reads) > 1:
        raise VestigeError(f"{spelled('neighbour_layer', name)}: is {len(reads)} layers; name one")
    readout = options.neighbour_readout or ("vector" if reads[0].layer.kind == "vector" else "gap")
    return reader.reads(options.backbone, [name], [readout])[0]


def _features(
    cells: dict[str, Cells], parts: Sequence[Instances], options: AlignOptions, reader: Reader, say: Say
) -> tuple[GridFeature, ...]:
    """Every layer's own features, and SIFT on every different grid of theirs."""
    say(f"cells of {', '.join(cells)}")
    crops = [part.crops for part in parts]
    grids = [network_grids(reader, options.backbone, cells, each) for each in crops]
    found = [GridFeature(name, False, grids[0][name], grids[1][name]) for name in cells]
    if not options.sift_radius:
        return tuple(found)
    interpolation = reader.backbone(options.backbone).preprocessing.interpolation
    seen: list[Cells] = []
    for name, places in cells.items():
        if places not in seen:
            seen.append(places)
            pair = [SiftGrids(places, each, options.sift_radius, interpolation) for each in crops]
            found.append(GridFeature(name, True, *pair))
    return tuple(found)
