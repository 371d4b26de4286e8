"""How units per object go with what is known of the objects, and how sure that is.

Correlations have intervals over units and pictures: what would come out for as many units of the same kind, and as many
pictures. Objects are not drawn anew.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import gammaln
from scipy.stats import rankdata

from vestige.intervals import Floats

_NEARLY_1 = 1 - 1e-9
"""Of correlations: 1 itself has no Fisher's z."""

_ALIKE = 1e-9
"""A square that is nearer to 0 is 0."""

_CONCENTRATIONS = (-7.0, 7.0)
"""Of Dirichlet's distribution, the bounds of its logarithm."""


def correlations(
    units: Floats, frequency: Floats, times_best: Floats, gain: Floats, *, ranked: bool = False
) -> dict[str, Floats]:
    """How units per object go with how often it is there, and with how informative it is.

    Args:
        units, frequency, times_best, gain: ``(..., O)`` of each object.
        ranked: whether their ranks are correlated (Spearman), else they themselves (Pearson).

    Returns:
        By name ``(...)``; NaN where one of the two is the same for all objects: ``frequency``, ``informativeness`` (by
        times best) and ``gain``. Then of frequency with either, ``between`` and ``between_gain``; and of either pair
        each with the other held fixed (partial correlation): ``frequency_given``, ``informativeness_given``,
        ``frequency_given_gain`` and ``gain_given``.
    """
    u, f, i, g = (rankdata(each, axis=-1) if ranked else each for each in (units, frequency, times_best, gain))
    uf, ui, ug, fi, fg = pearson(u, f), pearson(u, i), pearson(u, g), pearson(f, i), pearson(f, g)
    return {
        "frequency": uf,
        "informativeness": ui,
        "gain": ug,
        "frequency_given": partial(uf, ui, fi),
        "informativeness_given": partial(ui, uf, fi),
        "frequency_given_gain": partial(uf, ug, fg),
        "gain_given": partial(ug, uf, fg),
        "between": fi,
        "between_gain": fg,
    }


def pearson(x: Floats, y: Floats) -> Floats:
    """The correlation over the last axis; NaN where either does not vary."""
    x, y = (each - each.mean(axis=-1, keepdims=True) for each in (x, y))
    power = np.sqrt((x**2).sum(axis=-1) * (y**2).sum(axis=-1))
    return _over((x * y).sum(axis=-1), power).clip(-1, 1)


def partial(xy: Floats, xz: Floats, yz: Floats) -> Floats:
    """The correlation of x with y where z is held fixed, from those of pairs; NaN where z alone determines x or y."""
    left = (1 - xz**2) * (1 - yz**2)
    found: Floats = np.where(left > _ALIKE, _over(xy - xz * yz, np.sqrt(left.clip(0))), np.nan)
    return found


def resampled_units(counts: Floats, units: int, resamples: int, seed: int) -> Floats:
    """Units of each object ``(B, O)``, where as many units were drawn again from the kind that these are of.

    Not from the units themselves: an object without a unit would have none in any resample, though another such network
    may well have one, and the objects with most by luck would keep it. So they are drawn from shares that lie between
    those counted and equal ones: the mean of the shares' distribution given the counts, where before it they are
    Dirichlet's with one concentration for all objects, the likeliest for these counts (empirical Bayes; T. Minka,
    *Estimating a Dirichlet distribution*, 2000).

    Args:
        counts: ``(O,)``: units of each object.
        units: that were asked, those of no object included.
        resamples: B.
        seed: of the draws.
    """
    total = counts.sum()
    if not total:
        return np.zeros((resamples, len(counts)))
    each = counts + concentration(counts)
    shares = each / each.sum() * min(1.0, total / units)
    drawn = np.random.default_rng(seed).multinomial(units, np.append(shares, max(0.0, 1 - shares.sum())), resamples)
    found: Floats = drawn[:, :-1].astype(np.float64)
    return found


def concentration(counts: Floats) -> float:
    """The concentration, the same for all, of the Dirichlet-multinomial distribution that counts ``(O,)`` are likeliest
    of: near 0 where few objects have all units, large where all have alike many."""
    n, total = len(counts), counts.sum()

    def unlikely(log: float) -> float:
        a = np.exp(log)
        each = (gammaln(counts + a) - gammaln(a)).sum()
        return float(gammaln(n * a + total) - gammaln(n * a) - each)

    return float(np.exp(minimize_scalar(unlikely, bounds=_CONCENTRATIONS, method="bounded").x))


def centred(resampled: Floats, value: float) -> Floats:
    """Resamples of a correlation ``(B,)`` moved so that their mean is its value.

    They are moved as Fisher's z, so that none leaves -1 to 1.
    Drawing units and pictures anew adds noise to what is correlated, and noise pulls correlations toward 0: what
    resamples say is how far the value may be off, not where it is.
    """
    z = np.arctanh(resampled.clip(-_NEARLY_1, _NEARLY_1))
    known = z[np.isfinite(z)]
    if not len(known):
        return resampled
    moved: Floats = np.tanh(z - known.mean() + np.arctanh(np.clip(value, -_NEARLY_1, _NEARLY_1)))
    return moved


def _over(above: Floats, below: Floats) -> Floats:
    """NaN where there is nothing below."""
    found: Floats = np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below > 0)
    return found
