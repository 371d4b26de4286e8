"""A Reader: backbones opened once, and their features of any crops."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from vestige.backbones import Backbone, Layer, open_backbone
from vestige.backbones.own_networks import untrained_twin
from vestige.cluster.cluster import Cluster
from vestige.errors import VestigeError
from vestige.extraction import ExtractOptions
from vestige.features.extract import extract
from vestige.features.readout import LARGEST_DEFAULT, Readout, default_readout, parse_readout
from vestige.features.store import Features
from vestige.handed_in import as_type
from vestige.images import Crop
from vestige.progress import NamedProgress
from vestige.spec import HELD, parse_backbone_spec
from vestige.stopwatch import timing

DEFAULT = "auto"
"""The name of every layer's default readout; ``auto:N`` is that of at most N numbers."""

_DIGITS = 9  # of the N in auto:N


@dataclass(frozen=True)
class Read:
    """A layer with the readout that makes one vector of it.

    Attributes:
        layer: with its kind and shape.
        readout: that fits it.
        depth: where the layer stands among all of the backbone's, from 0 (the first) to 1 (the last).
    """

    layer: Layer
    readout: Readout
    depth: float

    @property
    def size(self) -> int:
        """Numbers per picture."""
        return self.readout.size(self.layer)


@dataclass
class Reader:
    """Opens backbones and reads features, the same way for everything in a run.

    Attributes:
        options: of extraction.
        cache: where stores live; None for the default.
        progress: called with counts of pictures read and of fits made, or None.
        keep: store features; where False they are held in memory while they are used, and the cache is not touched.
        begun: called with (network, what is read of it, how many pictures) as pictures begin to go through it, or None.
        cluster: machines that share the work; None for this one alone.
    """

    options: ExtractOptions = field(default_factory=ExtractOptions)
    cache: Path | None = None
    progress: NamedProgress | None = None
    keep: bool = True
    begun: Callable[[str, Sequence[Read], int], None] | None = None
    cluster: Cluster | None = field(default_factory=Cluster.used)
    _open: dict[str, Backbone] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        as_type("options", self.options, ExtractOptions)
        self.cache = as_type("cache", self.cache, Path | None)

    def __getstate__(self) -> dict[str, Any]:
        """What another process can use: without the networks, which it opens itself, and those who are told."""
        return self.__dict__ | {"progress": None, "begun": None, "cluster": None, "_open": {}}

    def count(self, what: str, done: int, total: int) -> None:
        """Report progress, where ``progress`` is given."""
        if self.progress is not None:
            self.progress(what, done, total)

    def hold(self, backbone: Backbone) -> str:
        """Take a backbone as it is for its spec, which is returned."""
        self._open[backbone.spec] = backbone
        return backbone.spec

    def backbone(self, spec: str) -> Backbone:
        """The backbone of a spec, opened once."""
        if spec not in self._open:
            with timing("open"):
                self._open[spec] = self._held(spec) or open_backbone(spec)
        return self._open[spec]

    def _held(self, spec: str) -> Backbone | None:
        """A network that a program holds, found by its digest, or its untrained twin."""
        parsed = parse_backbone_spec(spec)
        if parsed.kind != HELD:
            return None
        held = {name: each for name, each in self._open.items() if parse_backbone_spec(name).kind == HELD}
        for name, each in held.items():
            own = parse_backbone_spec(name)
            if own.seed is None and own.options == parsed.options:
                return each if parsed.seed is None else untrained_twin(each, spec)
        if held:
            raise VestigeError(
                f"{spec!r}: is another network than {next(iter(held))!r}, which was given: weights, structure and "
                "preprocessing must be the same"
            )
        return None

    def reads(self, spec: str, layers: Sequence[str], readouts: Sequence[str] = ()) -> tuple[Read, ...]:
        """Every layer that the patterns mean with every readout asked for, each once; ``auto``, or none, is the layer's
        default.

        A readout that fits only some of several layers is read from those.

        Raises:
            VestigeError: where a pattern matches no layer, or a readout fits none of them.
        """
        backbone = self.backbone(spec)
        names = tuple(backbone.paths)
        described = backbone.layers(backbone.select(layers))
        reads: dict[tuple[str, str], Read] = {}
        for text in readouts or (DEFAULT,):
            largest = largest_of(text)
            found, refusals = [], []
            for layer in described:
                readout = default_readout(layer, largest) if largest else parse_readout(text)
                try:
                    readout.size(layer)
                except VestigeError as error:
                    refusals.append(error)
                    continue
                depth = names.index(layer.name) / max(len(names) - 1, 1) if layer.name in names else 1.0
                found.append(Read(layer, readout, depth))
            if not found:
                raise refusals[0]
            reads |= {(read.layer.name, str(read.readout)): read for read in found}
        return tuple(sorted(reads.values(), key=lambda read: described.index(read.layer)))

    def features(self, spec: str, crops: Sequence[Crop], reads: Sequence[Read]) -> list[Features]:
        """The features of crops, one Features per read, from the cache where they are there."""
        if self.begun is not None:
            self.begun(spec, reads, len(crops))
        return extract(
            self.backbone(spec),
            crops,
            [(read.layer.name, read.readout) for read in reads],
            cache=self.cache,
            options=self.options,
            progress=partial(self.count, "pictures"),
            keep=self.keep,
            cluster=self.cluster,
        )


def largest_of(text: str) -> int:
    """How many numbers ``auto`` or ``auto:N`` allows; 0 for another readout."""
    name, colon, number = text.strip().partition(":")
    if name != DEFAULT:
        return 0
    if colon and not (number.isascii() and number.isdecimal() and 0 < len(number.lstrip("0")) <= _DIGITS):
        raise VestigeError(f"no readout {text!r}; expected auto, or auto:N with a number N, as in auto:4096")
    return int(number) if colon else LARGEST_DEFAULT
