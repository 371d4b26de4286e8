"""How numbers and small sentences are written on pages."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

NARROW = "\u202f"
"""A narrow space that does not break, as between a number and its unit."""

_LETTER = re.compile(r"^/?\w/")  # the first folder of /b/bedroom
_BETWEEN = re.compile(r"[\W_]+")
_CATEGORIES = re.compile(r",categories=(?:\\,|[^,])*")  # of a spec


def percent(value: float, digits: int = 1) -> str:
    """A share as a percentage: ``0.078 -> 7.8 %``."""
    return f"{100 * value:.{digits}f}{NARROW}%"


def percent_range(interval: tuple[float, float], digits: int = 1) -> str:
    """An interval of shares: ``(0.076, 0.08) -> 7.6 to 8.0 %``."""
    return f"{100 * interval[0]:.{digits}f} to {100 * interval[1]:.{digits}f}{NARROW}%"


def value_range(interval: tuple[float, float] | None, digits: int = 3) -> str:
    """An interval as in a table: ``(0.0761, 0.08) -> 0.076–0.080``; empty where there is none."""
    if interval is None:
        return ""
    low, high = interval
    dash = " to " if low < 0 else "–"
    return f"{signed(low, digits)}{dash}{signed(high, digits)}"


def signed(value: float, digits: int = 3) -> str:
    """A number with a true minus sign."""
    return f"{value:.{digits}f}".replace("-", "−")


def p_value(p: float) -> str:
    """A probability: ``< 0.001`` where the bootstrap cannot tell it from zero."""
    return f"<{NARROW}0.001" if p < 0.001 else f"{p:.3f}"


def count(n: int, noun: str, nouns: str = "") -> str:
    """A count with its noun, whose plural ends in s unless it is given: ``1 face``, ``1,240 faces``, ``2 patches``."""
    return f"{n:,} {noun if n == 1 else nouns or f'{noun}s'}"


def duration(seconds: float) -> str:
    """Seconds in readable units: ``48 s``, ``12 min 5 s``, ``2 h 3 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def size(n_bytes: float) -> str:
    """Bytes in a readable unit: ``1.2 kB``, ``87.8 kB``, ``3.4 MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if n_bytes < 1000 or unit == "GB":
            return f"{n_bytes:.0f}{NARROW}{unit}" if unit == "B" else f"{n_bytes:.1f}{NARROW}{unit}"
        n_bytes /= 1000
    raise AssertionError("unreachable")


def listed(words: Sequence[str]) -> str:
    """Words as a list in a sentence: ``a, b and c``."""
    return " and ".join(part for part in (", ".join(words[:-1]), words[-1]) if part) if words else ""


def network_name(spec: str) -> str:
    """A backbone as a reader meets it: its spec, but for the picture itself, which is no network.

    The file that names its categories is left out: the network is the same without it.
    """
    side = spec.removeprefix("rgb:")
    return f"the picture’s own pixels ({side} x {side} RGB)" if is_pixels(spec) else _CATEGORIES.sub("", spec)


def is_pixels(spec: str) -> bool:
    """Whether a backbone is the picture itself."""
    return spec.startswith("rgb:")


def read_from(backbone: Mapping[str, Any]) -> str:
    """What a run's numbers are read out of: ``block10 of efficientnet_lite0``, or the pixels."""
    spec, layer = str(backbone.get("spec", "the network")), backbone.get("layer")
    name = network_name(spec)
    return f"{layer} of {name}" if layer and not is_pixels(spec) else name


def plain_name(name: str) -> str:
    """A category's name as others may write it, too: ``/b/bakery/shop`` and ``Bakery_shop`` as ``bakery shop``."""
    return _BETWEEN.sub(" ", _LETTER.sub("", name.strip().casefold())).strip()
