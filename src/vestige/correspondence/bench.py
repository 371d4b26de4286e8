"""The bench of an alignment: instances, their grids of features and their nearest neighbours, made ready."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from vestige.backbones import Layer
from vestige.correspondence.grids import Cells, Grids, SiftGrids, layer_cells, network_grids
from vestige.correspondence.instances import Instances, instances_of
from vestige.correspondence.neighbours import Neighbours, nearest
from vestige.correspondence.options import AlignOptions
from vestige.datasets.dataset import Dataset, Problem
from vestige.errors import VestigeError
from vestige.features.reader import Read, Reader
from vestige.features.store import Features

Say = Callable[[str], None]

FEWEST_CELLS = 12
"""Along each side of the grid of the layer that is taken where none is named (the paper's conv4 has 13)."""


@dataclass(frozen=True)
class Kind:
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
class Bench:
    """All that an alignment takes.

    Attributes:
        train, test: the instances.
        neighbours: of the test instances among the training instances.
        train_neighbours: of the training instances among those of other groups.
        kinds: of features: every layer, then SIFT on every different grid.
        read: what neighbours were found by.
        train_data, test_data: the examples that take part, and why others do not.
        notes: what was given up.
    """

    train: Instances
    test: Instances
    neighbours: Neighbours
    train_neighbours: Neighbours
    kinds: tuple[Kind, ...]
    read: Read
    train_data: Dataset
    test_data: Dataset
    notes: tuple[str, ...]


def lay_bench(train: Dataset, test: Dataset, options: AlignOptions, reader: Reader, say: Say) -> Bench:
    """Make instances, grids and neighbours ready.

    Raises:
        VestigeError: where the data have no keypoints or boxes, no test example is of a class of the training data,
            a layer is no grid, or the points of the two differ.
    """
    cells, notes = layer_cells(reader.backbone(options.backbone), _layers(options, reader))
    read = _global_read(options, reader)
    say(f"neighbours by {read.layer.name} ({read.readout}) of {options.backbone}")
    instances_of(train), instances_of(test)  # refuses what has no keypoints before anything is computed
    if train.markup != test.markup:
        raise VestigeError(f"{test.spec}: its keypoints are not those of {train.spec}; align data of one markup")
    train, train_vectors = _readable(train, read, options, reader)
    test, left_out = _of_known_classes(train, test)
    test, test_vectors = _readable(test, read, options, reader)
    sides = instances_of(train), instances_of(test)
    return Bench(
        *sides,
        _nearest(sides[1], test_vectors, sides[0], train_vectors, options.neighbours),
        _nearest(sides[0], train_vectors, sides[0], train_vectors, options.neighbours),
        _kinds(cells, sides, options, reader, say),
        read,
        train,
        test,
        (*notes, *left_out),
    )


def _layers(options: AlignOptions, reader: Reader) -> tuple[Layer, ...]:
    """The layers that are asked for, or the deepest one with enough cells."""
    backbone = reader.backbone(options.backbone)
    if options.layers:
        return backbone.layers(backbone.select(options.layers))
    fine = [layer for layer in backbone.layers() if layer.kind == "grid" and min(layer.shape[1:]) >= FEWEST_CELLS]
    if not fine:
        raise VestigeError(
            f"{options.backbone} has no grid layer of {FEWEST_CELLS} x {FEWEST_CELLS} cells: name one with --layer; "
            f"vestige layers {options.backbone} lists them"
        )
    return (fine[-1],)


def _global_read(options: AlignOptions, reader: Reader) -> Read:
    backbone = reader.backbone(options.backbone)
    name = options.neighbour_layer or list(backbone.paths)[-1]
    reads = reader.reads(options.backbone, [name])
    if len(reads) > 1:
        raise VestigeError(f"--neighbour-layer {name}: is {len(reads)} layers; name one")
    readout = options.neighbour_readout or ("vector" if reads[0].layer.kind == "vector" else "gap")
    return reader.reads(options.backbone, [name], [readout])[0]


def _readable(dataset: Dataset, read: Read, options: AlignOptions, reader: Reader) -> tuple[Dataset, Features]:
    """The data set without the pictures that cannot be decoded, and the vectors that tell its neighbours."""
    (features,) = reader.features(options.backbone, instances_of(dataset).crops, [read])
    if not features.problems:
        return dataset, features
    problems = [Problem(dataset[row].id, message) for row, message in sorted(features.problems.items())]
    kept = tuple(example for example, valid in zip(dataset, features.valid, strict=True) if valid)
    return _readable(dataset.without(kept, problems), read, options, reader)


def _of_known_classes(train: Dataset, test: Dataset) -> tuple[Dataset, tuple[str, ...]]:
    """The test examples of the classes that the training data have, and a note on each of the others."""
    known = set(instances_of(train).classes.tolist())
    classes = instances_of(test).classes.tolist()
    kept = tuple(example for example, name in zip(test, classes, strict=True) if name in known)
    if not kept:
        raise VestigeError(
            f"{test.spec}: its examples are of {', '.join(sorted(set(classes)))}; expected some of "
            f"{', '.join(sorted(known))}, the classes of {train.spec}"
        )
    notes = tuple(
        f"Class {name!r} is left out: the training data have no example of it." for name in sorted(set(classes) - known)
    )
    return replace(test, examples=kept), notes


def _nearest(queries: Instances, vectors: Features, others: Instances, known: Features, k: int) -> Neighbours:
    """The nearest of the same class and another group."""
    return nearest(
        vectors.read(),
        known.read(),
        queries.classes,
        others.classes,
        k,
        query_groups=queries.groups,
        groups=others.groups,
    )


def _kinds(
    cells: dict[str, Cells], sides: Sequence[Instances], options: AlignOptions, reader: Reader, say: Say
) -> tuple[Kind, ...]:
    """Every layer's own features, and SIFT on every different grid of theirs."""
    say(f"cells of {', '.join(cells)}")
    crops = [side.crops for side in sides]
    grids = [network_grids(reader, options.backbone, cells, each) for each in crops]
    kinds = [Kind(name, False, grids[0][name], grids[1][name]) for name in cells]
    if not options.sift_radius:
        return tuple(kinds)
    interpolation = reader.backbone(options.backbone).preprocessing.interpolation
    seen: list[Cells] = []
    for name, places in cells.items():
        if places not in seen:
            seen.append(places)
            pair = [SiftGrids(places, each, options.sift_radius, interpolation) for each in crops]
            kinds.append(Kind(name, True, *pair))
    return tuple(kinds)
