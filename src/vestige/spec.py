"""Specs: the short texts that name a data set or a backbone.

A data spec is ``kind:PATH,key=value,flag`` (``300w:/data/helen``, ``folder:photos,fold=4/5``, ``cub:DIR,train``).
A comma that belongs to a path is written ``\\,``.
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
from vestige.handed_in import as_type
from vestige.spelling import spelled

Precision = Literal["float32", "bfloat16", "float16"]
"""What a network computes in."""

StoreDtype = Literal["float32", "float16"]
"""What features are kept as."""

HELD = "module"
"""The kind of backbone that a Python program holds and no spec opens: ``module:NAME,sha256=DIGEST``."""

EVEN_LAYERS = "even:6"
"""The layers that are read where none are named: so many, at even steps from a network's first to its last."""

COMMA_HINT = r"a comma that belongs to a path is written \,"
"""For messages about a spec that may have been cut at a comma."""

LARGEST_SEED = 2**32 - 1

_RANDOM = re.compile(r"random:(\d+)")
_COMMA = re.compile(r"(?<!\\),")


@dataclass(frozen=True)
class DataSpec:
    """A parsed data spec. Flags are options with an empty value."""

    text: str
    kind: str
    path: str
    options: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def check_options(self, known: Collection[str]) -> None:
        """Refuse options that the loader does not know, and values that no loader does.

        Raises:
            VestigeError: naming the unknown option and the known ones.
        """
        check_options(self.text, self.options, known)
        if self.options.get("exif") not in (None, "ignore"):
            raise VestigeError(
                f"{self.text!r}: exif={self.options['exif']}: expected exif=ignore, which reads pictures as stored"
            )

    def integer(self, key: str, default: int, least: int = 0, most: int = LARGEST_SEED) -> int:
        """The option as a whole number from ``least`` to ``most``, or the default where it is not given.

        Raises:
            VestigeError: where it is no such number.
        """
        value = self.options.get(key)
        return default if value is None else whole_number(self.text, f"{key}={value!r}", value, least, most)

    @property
    def exif(self) -> bool:
        """Whether pictures are turned as their EXIF orientation says: not with ``exif=ignore``."""
        return "exif" not in self.options


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
        name = _escaped(self.name)
        return f"{self.kind}:{name}" if self.kind else name

    def with_random_weights(self, seed: int) -> BackboneSpec:
        """The same network with random weights."""
        return parse_backbone_spec(f"{self.network}@random:{seed}{_tail(self.options)}")


def check_options(text: str, options: Mapping[str, str], known: Collection[str]) -> None:
    """Refuse options that are not known, naming the known ones."""
    for key, value in options.items():
        if key not in known:
            hint = "" if value else f"; {COMMA_HINT}"
            raise VestigeError(f"{text!r}: unknown option {key!r}; {choice(key, sorted(known))}{hint}")


def whole_number(text: str, said: str, value: str, least: int, most: int) -> int:
    """A number in a spec: whole, and from ``least`` to ``most``.

    Args:
        text: the spec.
        said: the option in it, as in ``n=many``.
        value: the number as text.
        least: the smallest one.
        most: the largest one.

    Raises:
        VestigeError: where it is no such number.
    """
    digits = value.isascii() and value.isdecimal() and len(value.lstrip("0")) <= len(str(most))
    if not digits or not least <= int(value) <= most:
        shown = said if len(said) <= 60 else f"{said[:57]}..."
        spec = text if len(text) <= 300 else f"{text[:297]}..."
        raise VestigeError(f"{spec!r}: {shown}: expected a whole number from {least} to {most}")
    return int(value)


def data_spec_text(kind: str, path: str, options: Mapping[str, str]) -> str:
    """The text that :func:`parse_data_spec` reads as these parts."""
    return f"{kind}:{_escaped(path)}{_tail(options)}"


def parse_data_spec(text: str) -> DataSpec:
    """Parse ``kind:PATH,key=value,flag``.

    Raises:
        VestigeError: where the kind or the path is missing, or an option is given twice.
    """
    as_type("data", text, str)
    kind, colon, rest = text.partition(":")
    path, *options = _parts(rest)
    if not colon or not kind or not path:
        place = text if text and not colon else "/data/photos"
        raise VestigeError(
            f"{text!r} is no data spec: expected kind:PATH[,key=value], as in 300w:{place} (pictures with .pts files), "
            f"folder:{place} (pictures alone) or synthetic:faces,n=800"
        )
    return DataSpec(text, kind, path, _parse_options(text, options))


def parse_named(text: str, names: Collection[str] | None = None) -> tuple[str, str]:
    """``NAME=SPEC``, data with a name, in two.

    Args:
        text: as it is given.
        names: those that there are; None where any will do.

    Raises:
        VestigeError: where it is none, or of no such name.
    """
    name, equals, spec = text.partition("=")
    bare = ":" in name  # a spec without a name, that has an option
    if bare or not (equals and spec and name.strip()) or (names is not None and name not in names):
        places = None if names is None else ", ".join(names)
        expected = (
            "NAME=SPEC, as in scenes=miniplaces:DIR" if places is None else f"PLACE=SPEC with a place of {places}"
        )
        raise VestigeError(f"{spelled('data', word=text)}: expected {expected}")
    return name.strip(), spec


def parse_backbone_spec(text: str) -> BackboneSpec:
    """Parse ``kind:NAME@WEIGHTS,key=value``; ``@random:SEED`` asks for random weights.

    Raises:
        VestigeError: where the name is missing, or an option is given twice.
    """
    as_type("backbone", text, str)
    network, at, rest = text.partition("@")
    if at:
        weights, *options = _parts(rest)
    else:
        network, *options = _parts(text)
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
        seed, weights = whole_number(text, f"@{weights}", match.group(1), 0, LARGEST_SEED), None
    return BackboneSpec(text, kind, name, weights, seed, _parse_options(text, options))


def _parts(text: str) -> list[str]:
    """What stands between commas, of which those that follow a backslash are part of the text."""
    return [part.replace("\\,", ",") for part in _COMMA.split(text)]


def _escaped(value: str) -> str:
    return value.replace(",", "\\,")


def _tail(options: Mapping[str, str]) -> str:
    return "".join(f",{key}={_escaped(value)}" if value else f",{key}" for key, value in options.items())


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
