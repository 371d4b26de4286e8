"""Specs: the short texts that name a data set or a backbone.

A data spec is ``kind:PATH,key=value,flag`` (``300w:/data/helen``, ``folder:photos,fold=4/5``, ``cub:DIR,train``).
A backbone spec is ``kind:NAME@WEIGHTS,key=value`` (``caffe:caffenet@caffenet.caffemodel,mean=mean.npy``,
``timm:resnet18@random:0``); the embedded backbone has no kind (``efficientnet_lite0``).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from vestige.errors import VestigeError, choice

Precision = Literal["float32", "bfloat16", "float16"]
"""What a network computes in."""

StoreDtype = Literal["float32", "float16"]
"""What features are kept as."""

EVEN_LAYERS = "even:6"
"""The layers that are read where none are named: so many, at even steps from a network's first to its last."""

_RANDOM = re.compile(r"random:(\d+)")


@dataclass(frozen=True)
class DataSpec:
    """A parsed data spec. Flags are options with an empty value."""

    text: str
    kind: str
    path: str
    options: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def check_options(self, known: Collection[str]) -> None:
        """Refuse options that the loader does not know.

        Raises:
            VestigeError: naming the unknown option and the known ones.
        """
        check_options(self.text, self.options, known)

    def integer(self, key: str, default: int) -> int:
        """The option as an integer >= 0, or the default where it is not given."""
        value = self.options.get(key)
        if value is None:
            return default
        if not value.isdecimal():
            raise VestigeError(f"{self.text!r}: option {key}={value!r}: expected a whole number, as in {key}={default}")
        return int(value)


@dataclass(frozen=True)
class BackboneSpec:
    """A parsed backbone spec: at most one of ``weights`` (a path) and ``seed`` (random weights) is given."""

    text: str
    kind: str
    name: str
    weights: str | None = None
    seed: int | None = None
    options: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def network(self) -> str:
        """The spec without its weights: what stays the same for the untrained twin."""
        return f"{self.kind}:{self.name}" if self.kind else self.name

    def with_random_weights(self, seed: int) -> BackboneSpec:
        """The same network with random weights."""
        tail = "".join(f",{key}={value}" if value else f",{key}" for key, value in self.options.items())
        return parse_backbone_spec(f"{self.network}@random:{seed}{tail}")


def check_options(text: str, options: Collection[str], known: Collection[str]) -> None:
    """Refuse options that are not known, naming the known ones."""
    for key in options:
        if key not in known:
            raise VestigeError(f"{text!r}: unknown option {key!r}; {choice(key, sorted(known))}")


def parse_data_spec(text: str) -> DataSpec:
    """Parse ``kind:PATH,key=value,flag``.

    Raises:
        VestigeError: where the kind or the path is missing, or an option is given twice.
    """
    kind, colon, rest = text.partition(":")
    path, *options = rest.split(",")
    if not colon or not kind or not path:
        place = text if text and not colon else "/data/photos"
        raise VestigeError(
            f"{text!r} is no data spec: expected kind:PATH[,key=value], as in 300w:{place} (pictures with .pts files), "
            f"folder:{place} (pictures alone) or synthetic:faces,n=800"
        )
    return DataSpec(text, kind, path, _parse_options(text, options))


def parse_backbone_spec(text: str) -> BackboneSpec:
    """Parse ``kind:NAME@WEIGHTS,key=value``; ``@random:SEED`` asks for random weights.

    Raises:
        VestigeError: where the name is missing, or an option is given twice.
    """
    network, at, rest = text.partition("@")
    if at:
        weights, *options = rest.split(",")
    else:
        network, *options = text.split(",")
        weights = None
    kind, colon, name = network.partition(":")
    if not colon:
        kind, name = "", network
    if not name or weights == "" or (colon and not kind):
        raise VestigeError(
            f"{text!r} is no backbone spec: expected NAME, kind:NAME or kind:NAME@WEIGHTS, as in "
            "efficientnet_lite0, timm:resnet18 or caffe:caffenet@caffenet.caffemodel"
        )
    seed = None
    if weights is not None and weights.startswith("random"):
        match = _RANDOM.fullmatch(weights)
        if match is None:
            raise VestigeError(f"{text!r}: expected @random:SEED with a whole number, as in {network}@random:0")
        seed, weights = int(match.group(1)), None
    return BackboneSpec(text, kind, name, weights, seed, _parse_options(text, options))


def _parse_options(text: str, parts: list[str]) -> Mapping[str, str]:
    options: dict[str, str] = {}
    for part in parts:
        key, _, value = part.partition("=")
        key = key.strip()
        if not key:
            raise VestigeError(f"{text!r}: empty option after a comma; expected key=value")
        if key in options:
            raise VestigeError(f"{text!r}: option {key!r} is given twice")
        options[key] = value.strip()
    return MappingProxyType(options)
