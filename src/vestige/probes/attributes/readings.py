"""What is read of an attribute, and where between low and high it is drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SPREAD = 3.0
"""Standard deviations of the training values on either side of their mean that a continuous attribute is drawn over."""

BEYOND = 0.12
"""By which a binary reading may leave [0, 1] and still be drawn in its place."""


@dataclass(frozen=True)
class Reading:
    """What was read of one attribute.

    Attributes:
        label: its name for readers.
        value: the reading.
        mean: of the training values.
        deviation: their standard deviation.
        binary: whether values are 0 and 1.
    """

    label: str
    value: float
    mean: float
    deviation: float
    binary: bool

    def place(self, value: float) -> float:
        """Where a value is drawn: 0 to 1 for a binary one's 0 and 1, for others over the spread about the mean."""
        if self.binary:
            return float(np.clip(value, -BEYOND, 1 + BEYOND))
        spread = 2 * SPREAD * (self.deviation or 1.0)
        return float(np.clip(0.5 + (value - self.mean) / spread, -BEYOND, 1 + BEYOND))
