"""``vestige data check`` through the command line: where its sheet goes, and what a second one does."""

import numpy as np
import pytest
from PIL import Image

from vestige.images import save_image

PIXELS = np.zeros((48, 64, 3), dtype=np.uint8)


def noise(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def faces(folder):
    for k in range(3):
        noise(folder / f"{k}.png", k)
        points = "\n".join(f"{x / 2 + k} {10 + x / 3}" for x in range(68))
        (folder / f"{k}.pts").write_text(f"version: 1\nn_points: 68\n{{\n{points}\n}}\n")
    return f"300w:{folder}", folder


def pictures(folder):
    for k in range(3):
        noise(folder / f"{k}.png", k)
    return f"folder:{folder}", folder


def masks(folder):
    for k in range(3):
        noise(folder / "JPEGImages" / f"{k}.jpg", k)
        place = folder / "SegmentationClass" / f"{k}.png"
        place.parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((48, 64), k, dtype=np.uint8)).save(place)
    return f"voc-segmentation:{folder}", folder / "SegmentationClass"


@pytest.mark.parametrize("name", ["contact-sheet.png", "sheet.jpg"])
def test_a_sheet_takes_the_place_of_an_earlier_one(vestige, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    options = () if name == "contact-sheet.png" else ("-o", name)
    vestige("data", "check", "synthetic:faces,n=2,seed=1", *options)
    first = (tmp_path / name).read_bytes()
    vestige("data", "check", "synthetic:faces,n=3,seed=2", *options)
    second = (tmp_path / name).read_bytes()
    assert second != first
    vestige("data", "check", "synthetic:faces,n=3,seed=2", *options)
    assert (tmp_path / name).read_bytes() == second
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("kind", ["photograph", "text", "drawing", "link"])
def test_a_sheet_takes_the_place_of_nothing_else(vestige, tmp_path, kind):
    path = tmp_path / "sheet.png"
    words = ("data", "check", "synthetic:faces,n=2", "-o", path)
    if kind == "photograph":
        noise(path, 0)
    elif kind == "text":
        path.write_text("vestige contact sheet")
    elif kind == "drawing":
        save_image(PIXELS, path)
    else:
        save_image(PIXELS, tmp_path / "elsewhere.png", what="contact sheet")
        path.symlink_to(tmp_path / "elsewhere.png")
    before = path.read_bytes()
    _, err = vestige(*words, status=2)
    assert "--overwrite" in err
    assert path.read_bytes() == before
    assert path.is_symlink() == (kind == "link")
    vestige(*words, "--overwrite")
    assert path.read_bytes() != before


@pytest.mark.parametrize("made", [faces, pictures, masks])
def test_a_sheet_among_the_data_is_no_data(vestige, tmp_path, made):
    spec, place = made(tmp_path / "data")
    sheet = place / "contact-sheet.png"
    first, _ = vestige("data", "check", spec, "--strict", "-o", sheet)
    assert "3 examples" in first
    drawn = sheet.read_bytes()
    assert vestige("data", "check", spec, "--strict", "-o", sheet)[0] == first
    assert sheet.read_bytes() == drawn


def test_a_sheet_that_is_listed_as_a_picture_is_kept(vestige, tmp_path):
    noise(tmp_path / "JPEGImages" / "a.jpg", 0)
    sheet = tmp_path / "SegmentationClass" / "a.png"
    sheet.parent.mkdir()
    save_image(PIXELS, sheet, what="contact sheet")
    before = sheet.read_bytes()
    lists = tmp_path / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("a\n")
    _, err = vestige("data", "check", f"voc-segmentation:{tmp_path},train", "-o", sheet, status=2)
    assert "pictures that are read" in err
    assert sheet.read_bytes() == before
