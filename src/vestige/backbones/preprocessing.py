"""What a network wants of its input."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class Preprocessing:
    """What a network wants of its input.

    Attributes:
        size: height and width of the input in pixels.
        mean: subtracted from each channel, in units of 0..255, in the network's channel order.
        std: divided by, likewise.
        channels: the network's channel order.
        interpolation: how pictures are resized to ``size``: ``bilinear``, ``bicubic``, ``lanczos`` (all anti-aliased).
        crop_fraction: the share of the resized picture that the network's authors keep (a centre crop). It is told
            and never applied: a probe's coordinates cover the whole crop.
        mean_image: ``(3, height, width)`` subtracted instead of ``mean``, where the network has one.
    """

    size: tuple[int, int]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    channels: Literal["rgb", "bgr"] = "rgb"
    interpolation: Literal["bilinear", "bicubic", "lanczos"] = "bilinear"
    crop_fraction: float = 1.0
    mean_image: NDArray[np.float32] | None = None

    def __call__(self, images: NDArray[np.uint8] | Tensor, device: torch.device | str = "cpu") -> Tensor:
        """``(N, h, w, 3)`` RGB of 0..255 to the network's input ``(N, 3, h, w)``, float32, channels-last in memory.

        The pictures given are left as they are.
        """
        x = torch.as_tensor(images).to(device).permute(0, 3, 1, 2).to(torch.float32, copy=True)
        if self.channels == "bgr":
            x = x.flip(1)
        if self.mean_image is None:
            x -= torch.tensor(self.mean, device=x.device).view(1, 3, 1, 1)
        else:
            x -= torch.as_tensor(self.mean_image, device=x.device)
        x /= torch.tensor(self.std, device=x.device).view(1, 3, 1, 1)
        return x.contiguous(memory_format=torch.channels_last)

    def fingerprint(self) -> str:
        """A text that changes whenever the network's input would."""
        mean = self.mean if self.mean_image is None else hashlib.sha256(self.mean_image.tobytes()).hexdigest()
        return repr((self.size, mean, self.std, self.channels, self.interpolation))
