"""Which layers of which network: ``--layer`` where there are several networks, whose layers have different names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vestige.backbones import Backbone
from vestige.errors import VestigeError, choice
from vestige.spec import EVEN_LAYERS
from vestige.spelling import spelled


def layers_by_network(patterns: Sequence[str], backbones: Mapping[str, Backbone]) -> dict[str, tuple[str, ...]]:
    """The layers of every network.

    ``NETWORK=PATTERN`` is for one network alone, named by its spec or by a beginning that no other has. A pattern by
    itself is for all that have such a layer; a network for which there is no pattern at all is read at six layers.

    Args:
        patterns: names, globs, ``even:N`` and ``all``, as :meth:`vestige.backbones.Backbone.select` takes them.
        backbones: by spec.

    Returns:
        spec -> names of layers.

    Raises:
        VestigeError: where a pattern matches in no network that it is for, or a network has none of the layers.
    """
    asked = [_split(pattern, list(backbones)) for pattern in patterns]
    return {spec: _layers(spec, asked, backbones) for spec in backbones}


def _split(text: str, specs: Sequence[str]) -> tuple[str | None, str]:
    """The network that a pattern is for, None for all, and the pattern. Specs may hold ``=``: the longest is taken."""
    parts = text.split("=")
    for end in range(len(parts) - 1, 0, -1):
        name, pattern = "=".join(parts[:end]), "=".join(parts[end:])
        found = [spec for spec in specs if spec == name] or [spec for spec in specs if spec.startswith(name)]
        if len(found) > 1 and name:
            raise VestigeError(
                f"{spelled('layers', text)}: {name} begins {' and '.join(found)}; write the network's whole spec"
            )
        if found and name and pattern:
            return found[0], pattern
    if len(parts) > 1:
        raise VestigeError(
            f"{spelled('layers', text)}: no network {parts[0]!r} for NETWORK=LAYER; {choice(parts[0], specs)}"
        )
    return None, text


def _layers(spec: str, asked: Sequence[tuple[str | None, str]], backbones: Mapping[str, Backbone]) -> tuple[str, ...]:
    own = [pattern for network, pattern in asked if network == spec]
    shared = [pattern for network, pattern in asked if network is None]
    if not own and not shared:
        return backbones[spec].select([EVEN_LAYERS])
    there = [pattern for pattern in shared if _has(backbones[spec], pattern)]
    for pattern in shared:
        if pattern not in there and not any(_has(other, pattern) for other in backbones.values()):
            backbones[spec].select([pattern])  # raises, with the nearest names
    if not own and not there:
        raise VestigeError(
            f"{spec} has no layer {', '.join(shared)}; name its own with {spelled('layers', (f'{spec}=LAYER',))}, "
            f"of which it has {', '.join(backbones[spec].paths)}"
        )
    return backbones[spec].select([*own, *there])


def _has(backbone: Backbone, pattern: str) -> bool:
    try:
        return bool(backbone.select([pattern]))
    except VestigeError:
        return False
