"""Contact sheets: what is drawn stands where it should, to a fraction of a pixel."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vestige.datasets.opening import open_dataset
from vestige.datasets.sheet import contact_sheet, draw_example, spread
from vestige.example import Example
from vestige.geometry import square_about, to_unit


class Grey:
    """A mid-grey picture."""

    def __init__(self, width: int = 100, height: int = 100) -> None:
        self.shape = (height, width, 3)

    def read(self) -> np.ndarray:
        return np.full(self.shape, 128, np.uint8)

    def digest(self) -> str:
        return "grey"


def centroid(difference: np.ndarray) -> np.ndarray:
    """Of a picture's weights, in continuous pixels: pixel i has its centre at i + 0.5."""
    y, x = np.mgrid[: difference.shape[0], : difference.shape[1]] + 0.5
    return np.array([(x * difference).sum(), (y * difference).sum()]) / difference.sum()


@pytest.mark.parametrize("point", [(50.0, 50.0), (40.3, 61.7), (33.5, 33.5)])
@pytest.mark.parametrize("tile", [100, 224])
def test_a_dot_is_centred_on_its_keypoint(point, tile: int) -> None:
    box = np.array([20.0, 20, 80, 80])
    bare = Example("a", "a", Grey(), box)
    dotted = replace(bare, keypoints=np.array([point]), visible=np.array([True]))
    difference = np.abs(draw_example(dotted, tile).astype(int) - draw_example(bare, tile)).sum(axis=2)
    expected = to_unit(np.array([point]), square_about(box, 0.25))[0] * tile
    np.testing.assert_allclose(centroid(difference), expected, atol=0.13)


def test_the_box_is_drawn_where_it_is() -> None:
    box = np.array([20.0, 30, 80, 70])
    example = Example("a", "a", Grey(), box)
    tile = 240
    yellow = np.abs(draw_example(example, tile).astype(int) - 128).sum(axis=2)
    expected = to_unit(box.reshape(2, 2), square_about(box, 0.25)) * tile
    np.testing.assert_allclose(centroid(yellow), expected.mean(axis=0), atol=0.13)
    left = centroid(yellow[70:170, :60])
    assert left[0] == pytest.approx(expected[0, 0], abs=0.13)


def test_invisible_points_are_not_drawn() -> None:
    bare = Example("a", "a", Grey(), np.array([20.0, 20, 80, 80]))
    hidden = replace(bare, keypoints=np.array([[50.0, 50]]), visible=np.array([False]))
    np.testing.assert_array_equal(draw_example(hidden, 60), draw_example(bare, 60))


def test_outside_the_picture_is_plain() -> None:
    tile = draw_example(Example("a", "a", Grey(100, 50)), 80)
    assert (tile[:20] == tile[0, 0]).all()
    assert (tile[20:60] == 128).all()
    assert (tile[60:] == tile[0, 0]).all()


def test_masks_are_laid_over_and_void_is_clear() -> None:
    class Mask:
        def read(self) -> np.ndarray:
            return np.repeat([[1, 255]], 100, axis=0).repeat(50, axis=1).astype(np.uint8)

    tile = draw_example(Example("a", "a", Grey(), mask=Mask()), 100, void=255)
    np.testing.assert_array_equal(tile[50, 20], [128, 85, 85])
    np.testing.assert_array_equal(tile[50, 80], [128, 128, 128])


def test_examples_are_chosen_evenly() -> None:
    examples = [Example(str(k), str(k), Grey()) for k in range(10)]
    assert [example.id for example in spread(examples, 5)] == ["1", "3", "5", "7", "9"]
    assert spread(examples, 99) == examples


def test_a_sheet_holds_what_cannot_be_read_too(tmp_path: Path, write_picture) -> None:
    for seed in range(5):
        write_picture(tmp_path / f"a_name_that_is_much_too_long_to_fit_{seed}.png", seed=seed)
    dataset = open_dataset(f"folder:{tmp_path}")
    (tmp_path / "a_name_that_is_much_too_long_to_fit_2.png").unlink()
    sheet = contact_sheet(dataset, n=5, tile=60, columns=3)
    assert sheet.shape == (2 * (60 + 15 + 4) + 4, 3 * 64 + 4, 3)
    assert len(np.unique(sheet[4:64, 4 + 2 * 64 : 64 + 2 * 64].reshape(-1, 3), axis=0)) == 1
    assert len(np.unique(sheet[4:64, 4:64].reshape(-1, 3), axis=0)) > 50
