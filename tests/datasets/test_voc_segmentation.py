"""VOC segmentation: index and colour masks, classes, void, and everything that can be wrong."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vestige.datasets.masks import ClassTable, MaskFile, voc_colours
from vestige.datasets.opening import open_dataset, open_train_test
from vestige.datasets.voc import CLASSES
from vestige.errors import VestigeError

MASK = np.random.default_rng(0).integers(0, 21, (30, 40), dtype=np.uint8)
MASK[3, 5] = 255


def write_mask(path: Path, mask: np.ndarray, mode: str) -> None:
    """As VOC writes it: index picture with its palette (P), plain grey (L), or the palette's colours (RGB)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    palette = np.zeros((256, 3), np.uint8)
    palette[:21] = voc_colours(21)[:21]
    palette[255] = (224, 224, 192)
    if mode == "RGB":
        Image.fromarray(palette[mask]).save(path)
        return
    image = Image.fromarray(mask)
    if mode == "P":
        image.putpalette(palette.ravel().tolist())
    image.save(path)


@pytest.fixture
def voc(tmp_path: Path, write_picture) -> Path:
    for seed, (name, mode) in enumerate([("a", "P"), ("b", "L"), ("c", "RGB")]):
        write_picture(tmp_path / "JPEGImages" / f"{name}.jpg", 40, 30, seed)
        write_mask(tmp_path / "SegmentationClass" / f"{name}.png", MASK, mode)
    lists = tmp_path / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("a\nc\n")
    (lists / "val.txt").write_text("b\n")
    return tmp_path


def test_index_and_colour_masks_read_alike(voc: Path) -> None:
    dataset = open_dataset(f"voc-segmentation:{voc}", strict=True)
    assert [example.id for example in dataset] == ["a", "b", "c"]
    for example in dataset:
        np.testing.assert_array_equal(example.mask.read(), MASK)
        assert example.mask.read().dtype == np.uint8
    assert dataset.classes == CLASSES
    assert len(dataset.classes) == 21
    assert dataset.void == 255
    assert dataset[0].box is None


def test_vocs_colours_are_its_published_ones() -> None:
    """From the VOC development kit: aeroplane, bicycle, person, tvmonitor."""
    colours = voc_colours(21)
    assert [colours[k] for k in (0, 1, 2, 15, 20)] == [
        (0, 0, 0), (128, 0, 0), (0, 128, 0), (192, 128, 128), (0, 64, 128)
    ]  # fmt: skip


def test_its_own_split_is_used(voc: Path) -> None:
    train, test = open_train_test(f"voc-segmentation:{voc}")
    assert [[e.id for e in part] for part in (train, test)] == [["a", "c"], ["b"]]


def test_a_class_named_void_takes_255_too(voc: Path) -> None:
    (voc / "classes.txt").write_text("void\n" + "".join(f"c{k}\n" for k in range(1, 21)))
    dataset = open_dataset(f"voc-segmentation:{voc},val")
    assert dataset.void == 0
    assert dataset.classes[:2] == ("void", "c1")
    np.testing.assert_array_equal(dataset[0].mask.read(), np.where(MASK == 255, 0, MASK))


def test_classes_may_have_colours_of_their_own(voc: Path) -> None:
    (voc / "classes.txt").write_text("grass 1 2 3\nvoid 0 0 0\nsky 9 9 9\n")
    mask = np.random.default_rng(1).integers(0, 3, (30, 40))
    colours = np.array([(1, 2, 3), (0, 0, 0), (9, 9, 9)], np.uint8)
    Image.fromarray(colours[mask]).save(voc / "SegmentationClass" / "b.png")
    dataset = open_dataset(f"voc-segmentation:{voc},val")
    assert (dataset.classes, dataset.void) == (("grass", "void", "sky"), 1)
    np.testing.assert_array_equal(dataset[0].mask.read(), mask)


def test_the_meaning_of_values_is_part_of_the_digest(tmp_path: Path) -> None:
    write_mask(tmp_path / "a.png", np.zeros((4, 4), np.uint8), "L")
    first, second = (MaskFile(tmp_path / "a.png", ClassTable(("x", name), 255, ())) for name in "ab")
    assert first.digest() != second.digest()


def test_a_class_that_is_none_is_reported_with_its_pixel(voc: Path) -> None:
    wrong = MASK.copy()
    wrong[7, 11] = 21
    write_mask(voc / "SegmentationClass" / "b.png", wrong, "L")
    dataset = open_dataset(f"voc-segmentation:{voc}")
    assert [example.id for example in dataset] == ["a", "c"]
    assert "(11, 7) is of class 21" in dataset.skipped[0].message


def test_a_colour_that_is_no_class_is_reported_with_its_pixel(voc: Path) -> None:
    pixels = np.zeros((30, 40, 3), np.uint8)
    pixels[2, 9] = (1, 2, 3)
    Image.fromarray(pixels).save(voc / "SegmentationClass" / "c.png")
    (problem,) = open_dataset(f"voc-segmentation:{voc}").skipped
    assert problem.message.startswith("the pixel (9, 2) has the colour (1, 2, 3), which stands for no class")


def test_a_mask_of_another_size_is_reported(voc: Path) -> None:
    write_mask(voc / "SegmentationClass" / "b.png", MASK[:, :39], "L")
    (problem,) = open_dataset(f"voc-segmentation:{voc}").skipped
    assert re.findall(r"\d+x\d+", problem.message) == ["39x30", "40x30"]


@pytest.mark.parametrize("name", ["truncated", "empty", "binary", "text", "folder", "missing"])
@pytest.mark.parametrize("file", ["SegmentationClass/b.png", "JPEGImages/b.jpg"])
def test_a_bad_mask_or_picture_is_reported_and_left_out(voc: Path, bad_pictures, name: str, file: str) -> None:
    bad_pictures[name](voc / file)
    train = open_dataset(f"voc-segmentation:{voc},train", strict=True)
    assert [example.id for example in train] == ["a", "c"]
    with pytest.raises(VestigeError, match=file):
        open_dataset(f"voc-segmentation:{voc},val")


@pytest.mark.parametrize("name", ["../secret", "/etc/secret", "c:\\secret"])
def test_a_listed_name_stays_inside(voc: Path, name: str) -> None:
    (voc / "ImageSets" / "Segmentation" / "train.txt").write_text(f"a\n{name}\n")
    (problem,) = open_dataset(f"voc-segmentation:{voc},train").skipped
    assert "expected a path inside" in problem.message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("a\nb\na\n", "each named once"),
        ("a 1 2 3\nb\n", "line 2: 'b'; expected 'name', or 'name r g b' in every line"),
        ("a\nb c\n", "line 2: 'b c'; expected 'name'"),
        ("a 1 2 300\n", "line 1: 'a 1 2 300'; expected 'name r g b' with 0 to 255"),
        ("a 1 2 x\n", "expected 'name r g b' with 0 to 255"),
    ],
)
def test_wrong_classes_are_an_error(voc: Path, content: str, message: str) -> None:
    (voc / "classes.txt").write_text(content)
    with pytest.raises(VestigeError, match=r"classes\.txt") as caught:
        open_dataset(f"voc-segmentation:{voc}")
    assert message in str(caught.value)


def test_folders_that_are_missing_are_named(tmp_path: Path) -> None:
    with pytest.raises(VestigeError, match="SegmentationClass does not exist"):
        open_dataset(f"voc-segmentation:{tmp_path}")
