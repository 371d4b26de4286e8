"""RGB reconstruction (section 3.1, Fig. 4): the colours of a picture, read out of its representation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

from vestige import bounds as b
from vestige.contract.bench import Bench
from vestige.contract.found import Found
from vestige.contract.session import Session
from vestige.contract.task import Task, Trained
from vestige.datasets.dataset import Dataset
from vestige.errors import VestigeError
from vestige.example import Example
from vestige.images import Crop, Pixels, crop_resize
from vestige.intervals import Bootstrap, Floats
from vestige.metrics import Metric
from vestige.options import option
from vestige.probes.engine.codec import Codec, Encoded, Numbers, Scores, share_score
from vestige.probes.engine.options import VectorOptions
from vestige.probes.engine.trained_vectors import load_trained_vectors
from vestige.probes.engine.vector_probe import bench_vectors, check_vectors, probe_vectors
from vestige.probes.engine.views import Views, example_views, whole_views
from vestige.probes.pixels.task import PIXELS, PixelOptions
from vestige.run import Run
from vestige.spelling import spelled


@dataclass(frozen=True)
class Pixelwise(PixelOptions, Codec[Numbers]):
    """The task: ``size x size x 3`` colour values in [0, 1], in the order (y, x, channel).

    The whole picture is squashed to the square, as the paper does; with ``crops`` it is the square about the
    example's box, as landmarks are read. Predictions are cut off at 0 and 1 before they are measured.
    """

    box_margin: float = option(0.0, bounds=b.BOX_MARGIN)

    task: ClassVar[Task] = PIXELS
    metric: ClassVar[str] = "mae"
    metrics: ClassVar[Mapping[str, Metric]] = {
        "mae": Metric("mean absolute error", lower_is_better=True),
        "psnr": Metric("PSNR", "dB", paper=False),
        "ssim": Metric("SSIM", paper=False),
    }

    @property
    def width(self) -> int:
        """The colour values of the square."""
        return self.size * self.size * 3

    def check(self, examples: Sequence[Example]) -> None:
        """Any picture will do; a box is asked for with ``crops``."""
        for example in examples:
            if self.crops and example.box is None:
                raise VestigeError(
                    f"{example.id}: has no box, which {spelled('crops', True)} needs; leave it out for whole pictures"
                )

    def train_views(self, examples: Sequence[Example]) -> Views:
        """The pictures, and their mirrored copies where asked for."""
        return self._views(examples, self.mirror)

    def test_views(self, examples: Sequence[Example]) -> Views:
        """The pictures."""
        return self._views(examples, mirror=False)

    def _views(self, examples: Sequence[Example], mirror: bool) -> Views:
        if self.crops:
            return example_views(examples, self.box_margin, mirror=mirror)
        return whole_views(examples, mirror=mirror)

    def encode(self, views: Views) -> Encoded:
        """Colours ``(V, size * size * 3)`` in [0, 1]."""
        with ThreadPoolExecutor() as pool:
            rows = list(pool.map(self._colours, views.crops()))
        return Encoded(np.stack(rows))

    def _colours(self, crop: Crop) -> Numbers:
        return crop.pixels((self.size, self.size)).ravel().astype(np.float32) / np.float32(255)

    def out_of_fold(self, predicted: Numbers, encoded: Encoded) -> float:
        """Mean absolute error."""
        return float(self.errors(predicted, encoded.values).mean())

    def truth(self, views: Views) -> Numbers:
        """The test pictures' colours ``(N, t)``."""
        return self.encode(views).values

    def scores(self, predicted: Numbers, truth: Numbers, bootstrap: Bootstrap, *, brief: bool = False) -> Scores:
        """``mae`` (the paper's mean absolute error of colour values), ``psnr`` in dB, ``ssim``: means over pictures."""
        found = {("mae", "all"): share_score(self.errors(predicted, truth), bootstrap)}
        if not brief:
            a, b = np.clip(predicted, 0, 1), truth
            found["psnr", "all"] = share_score(psnr(a, b), bootstrap)
            pictures = (x.reshape(-1, self.size, self.size, 3) for x in (a, b))
            found["ssim", "all"] = share_score(ssim(*pictures), bootstrap)
        return found

    def errors(self, predicted: Numbers, truth: Numbers) -> Floats:
        """Each picture's mean absolute error ``(N,)``."""
        errors: Floats = np.abs(np.clip(predicted, 0, 1) - truth).mean(axis=1, dtype=np.float64)
        return errors

    def arrays(self, truth: Numbers) -> dict[str, NDArray[Any]]:
        """``truth`` ``(N, t)`` uint8."""
        return {"truth": np.round(truth * 255).astype(np.uint8)}

    def picture(self, predicted: Numbers, pixels: Pixels) -> Pixels:
        """The photograph beside its reconstruction, both ``size`` pixels wide and enlarged fourfold."""
        square = (4 * self.size, 4 * self.size)
        made = crop_resize(self.as_pixels(predicted), None, square, "box")
        return np.concatenate([crop_resize(pixels, None, square, "bicubic"), made], axis=1)

    def as_pixels(self, predicted: Numbers) -> Pixels:
        """A prediction ``(t,)`` as a picture ``(size, size, 3)``."""
        return np.round(np.clip(predicted, 0, 1) * 255).astype(np.uint8).reshape(self.size, self.size, 3)

    def describe(self, predicted: Numbers) -> dict[str, Any]:
        """The mean colour."""
        mean = np.clip(predicted, 0, 1).reshape(-1, 3).mean(axis=0)
        return {"mean_colour": [round(float(value), 4) for value in mean]}

    def to_json(self) -> dict[str, Any]:
        """The fields."""
        return asdict(self)


def psnr(a: Numbers, b: Numbers) -> Floats:
    """Peak signal-to-noise ratio in dB of rows of colours in [0, 1]: ``(N, t), (N, t) -> (N,)``.

    Equal rows count as 100 dB, above what 16 bits can tell, so that means stay finite.
    """
    error = np.square(a - b, dtype=np.float64).mean(axis=1)
    ratio: Floats = -10 * np.log10(np.maximum(error, 1e-10))
    return ratio


def ssim(a: Numbers, b: Numbers) -> Floats:
    """Structural similarity of pictures ``(N, h, w, 3)`` in [0, 1] (Wang et al. 2004, windows of 7): ``(N,)``."""
    pairs = zip(a, b, strict=True)
    return np.array([_ssim(x, y) for x, y in pairs], np.float64)


def _ssim(a: Numbers, b: Numbers) -> float:
    return float(structural_similarity(a, b, data_range=1.0, channel_axis=-1))  # type: ignore[no-untyped-call]


def check_pixels(data: tuple[Dataset, Dataset], options: PixelOptions, probing: VectorOptions) -> None:
    """Refuse pictures without the boxes that are asked for."""
    check_vectors(_pixelwise(options), *data, probing)


def measure_pixels(
    session: Session, data: tuple[Dataset, Dataset], options: PixelOptions, probing: VectorOptions
) -> Found:
    """The colour probe, as the task has it."""
    return probe_vectors(_pixelwise(options), *data, probing, session, made_with=(options,))


def bench_pixels(
    session: Session, data: tuple[Dataset, Dataset], options: PixelOptions, probing: VectorOptions
) -> Bench:
    """Pictures and their colours made ready to compare layers on."""
    return bench_vectors(_pixelwise(options), *data, probing, session)


def _pixelwise(options: PixelOptions) -> Pixelwise:
    margin = options.box_margin if options.crops else 0.0
    return Pixelwise(options.size, options.mirror, options.crops, margin)


def load_pixels(run: Run) -> Trained:
    """What a finished run of colours was trained to do."""
    return load_trained_vectors(run, Pixelwise)
