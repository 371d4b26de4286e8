"""What a network expects of its input."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vestige.devices import sent


@dataclass(frozen=True)
class Preprocessing:
    """What a network expects of its input.

    Attributes:
        size: height and width of the input in pixels.
        mean: subtracted from each channel, in units of 0..255, in the network's channel order.
        std: divided by, in the same units and order.
        channels: the network's channel order.
        interpolation: how pictures are resized to ``size``: ``bilinear``, ``bicubic``, ``lanczos`` (all anti-aliased).
        crop_fraction: the share of the resized picture that the network's authors keep (a centre crop). It is recorded
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
        if isinstance(images, np.ndarray) and not images.flags.writeable:
            images = images.copy()  # torch has no tensors that cannot be written, and warns
        pixels = sent(torch.as_tensor(images), device)
        x = (pixels.flip(3) if self.channels == "bgr" else pixels).to(torch.float32, copy=True).contiguous()
        # whole rows at a time, for a last dimension of three numbers is slow to broadcast over
        rows, width = x.view(*x.shape[:2], -1), x.shape[2]
        if self.mean_image is None:
            rows -= torch.tensor(self.mean, device=x.device).repeat(width)
        else:
            x -= torch.as_tensor(self.mean_image, device=x.device).permute(1, 2, 0)
        rows /= torch.tensor(self.std, device=x.device).repeat(width)
        return x.permute(0, 3, 1, 2)

    def fingerprint(self) -> str:
        """A text that changes whenever the network's input would."""
        mean = self.mean if self.mean_image is None else hashlib.sha256(self.mean_image.tobytes()).hexdigest()
        return repr((self.size, mean, self.std, self.channels, self.interpolation))
