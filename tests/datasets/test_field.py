"""Data from the field: turned pictures, links, pipes, commas in paths, files of other tools, boxes in other units."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vestige.datasets.check import check, contact_sheet
from vestige.datasets.dataset import Problem, summed_up
from vestige.datasets.opening import KINDS, open_dataset, open_train_test
from vestige.errors import VestigeError
from vestige.images import save_image
from vestige.markup import shipped_markup
from vestige.spec import data_spec_text, parse_data_spec

WIDTH, HEIGHT = 60, 40


def turned(path: Path, orientation: int = 6, width: int = WIDTH, height: int = HEIGHT) -> None:
    """A picture that is stored lying, and shown standing."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, exif=exif)


Point = tuple[float, float]


def pts(root: Path, picture: str, box: tuple[float, float, float, float]) -> str:
    x0, y0, x1, y1 = box
    rows = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
    body = "".join(f"{x + 0.5} {y + 0.5}\n" for x, y in rows)
    (root / picture).with_suffix(".pts").write_text(f"version: 1\nn_points: 4\n{{\n{body}}}\n")
    return f"300w:{root}"


def coco(root: Path, picture: str, box: tuple[float, float, float, float]) -> str:
    x0, y0, x1, y1 = box
    document = {
        "images": [{"id": 1, "file_name": picture}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [x0, y0, x1 - x0, y1 - y0], "keypoints": [9, 9, 2]}
        ],
        "categories": [{"id": 1, "name": "x", "keypoints": ["a"]}],
    }
    (root / "a.json").write_text(json.dumps(document))
    return f"coco:{root}/a.json"


def cub(root: Path, picture: str, box: tuple[float, float, float, float]) -> str:
    x0, y0, x1, y1 = box
    (root / "images").symlink_to(root)
    (root / "parts").mkdir()
    (root / "images.txt").write_text(f"1 {picture}\n")
    (root / "bounding_boxes.txt").write_text(f"1 {x0} {y0} {x1 - x0} {y1 - y0}\n")
    points = shipped_markup("cub15").points
    (root / "parts" / "parts.txt").write_text("".join(f"{k} {name}\n" for k, name in enumerate(points, 1)))
    (root / "parts" / "part_locs.txt").write_text("".join(f"1 {k} 9 9 1\n" for k in range(1, 16)))
    return f"cub:{root}"


def voc(root: Path, picture: str, box: tuple[float, float, float, float]) -> str:
    x0, y0, x1, y1 = box
    (root / "JPEGImages").symlink_to(root)
    file = root / "k" / "cat" / f"{Path(picture).stem}_1.xml"
    file.parent.mkdir(parents=True)
    file.write_text(
        f'<annotation><visible_bounds xmin="{x0 + 1}" ymin="{y0 + 1}" xmax="{x1}" ymax="{y1}"/><keypoints>'
        '<keypoint name="Nose" x="9" y="9" visible="1"/></keypoints></annotation>'
    )
    return f"voc-keypoints:{root},annotations={root}/k"


LOADERS = {"300w": pts, "coco": coco, "cub": cub, "voc-keypoints": voc}
BOXED = {name: make for name, make in LOADERS.items() if name != "300w"}
ABSURD = [
    (0, 0, 40_000, 40_000),
    (0, 10, 1e7, 11),
    (-1e9, -1e9, 1e9, 1e9),
    (5, 5, 1e300, 6),
    (-1e308, 0, 1e308, 5),
    (1e15, 1e15, 1e15 + 10, 1e15 + 10),
    (5, 5, 5, 9),
    (0.1, 0.1, 0.2, 0.3),
]


@pytest.mark.parametrize("name", BOXED)
@pytest.mark.parametrize("box", ABSURD)
def test_absurd_boxes_are_problems_of_every_loader(tmp_path: Path, write_picture, name: str, box) -> None:
    write_picture(tmp_path / "a.jpg", WIDTH, HEIGHT)
    with pytest.raises(
        VestigeError, match=r"no usable examples\n.*(the box .*(beyond|outside|empty|pixel)|bbox|finite)"
    ):
        open_dataset(BOXED[name](tmp_path, "a.jpg", box))


@pytest.mark.parametrize("name", LOADERS)
def test_ordinary_boxes_that_the_edge_cuts_are_none(tmp_path: Path, write_picture, name: str) -> None:
    write_picture(tmp_path / "a.jpg", WIDTH, HEIGHT)
    spec = LOADERS[name](tmp_path, "a.jpg", (-3, 5, 50, 39) if name != "300w" else (3, 5, 50, 39))
    assert len(open_dataset(spec, strict=True)) == 1


@pytest.mark.parametrize(
    "points",
    [[(9, 5), (9, 12), (9, 30)], [(5, 9), (12, 9), (30, 9)], [(9, 9)] * 3, [(9.1, 9.1), (9.2, 9.2), (9.3, 9.4)]],
)
def test_points_without_a_box_about_them_are_problems(tmp_path: Path, write_picture, points: list[Point]) -> None:
    write_picture(tmp_path / "a.jpg", WIDTH, HEIGHT)
    body = "".join(f"{x} {y}\n" for x, y in points)
    (tmp_path / "a.pts").write_text(f"version: 1\nn_points: 3\n{{\n{body}}}\n")
    with pytest.raises(VestigeError, match=r"no usable examples\n.*a\.pts.*(column|row|place|smaller than a pixel)"):
        open_dataset(f"300w:{tmp_path}")


@pytest.mark.parametrize("name", LOADERS)
@pytest.mark.parametrize("ending", [".jpg", ".png"])
def test_annotations_of_turned_pictures_are_read_as_shown_or_as_stored(tmp_path: Path, name: str, ending: str) -> None:
    """The picture is stored 60 wide and 40 high, and shown 40 wide and 60 high."""
    turned(tmp_path / f"a{ending}")
    spec = LOADERS[name](tmp_path, f"a{ending}", (2, 45, 38, 58))
    (example,) = open_dataset(spec, strict=True)
    assert example.image.read().shape == (WIDTH, HEIGHT, 3)
    with pytest.raises(VestigeError, match=r"exif=ignore .*orientation 6"):
        open_dataset(f"{spec},exif=ignore")


@pytest.mark.parametrize("name", LOADERS)
def test_annotations_of_the_stored_picture_name_exif_and_its_remedy(tmp_path: Path, name: str) -> None:
    turned(tmp_path / "a.jpg")
    spec = LOADERS[name](tmp_path, "a.jpg", (45, 2, 58, 38))
    with pytest.raises(VestigeError, match=r"orientation 6.*exif=ignore"):
        open_dataset(spec)
    (example,) = open_dataset(f"{spec},exif=ignore", strict=True)
    assert example.image.read().shape == (HEIGHT, WIDTH, 3)


def test_masks_of_turned_pictures(tmp_path: Path) -> None:
    """An index PNG has no orientation: it is of the picture as shown, or as stored, which its size tells."""
    turned(tmp_path / "JPEGImages" / "a.jpg")
    (tmp_path / "SegmentationClass").mkdir()
    for shape, right, wrong in (((WIDTH, HEIGHT), "", ",exif=ignore"), ((HEIGHT, WIDTH), ",exif=ignore", "")):
        Image.fromarray(np.ones(shape, np.uint8)).save(tmp_path / "SegmentationClass" / "a.png")
        (example,) = open_dataset(f"voc-segmentation:{tmp_path}{right}", strict=True)
        assert example.mask.read().shape == example.image.read().shape[:2] == shape
        with pytest.raises(VestigeError, match="EXIF orientation 6"):
            open_dataset(f"voc-segmentation:{tmp_path}{wrong}")


def test_a_mask_with_an_orientation_of_its_own_is_turned_by_it(tmp_path: Path) -> None:
    turned(tmp_path / "JPEGImages" / "a.jpg")
    (tmp_path / "SegmentationClass").mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6
    index = np.random.default_rng(0).integers(0, 20, (HEIGHT, WIDTH), dtype=np.uint8)
    Image.fromarray(index).save(tmp_path / "SegmentationClass" / "a.png", exif=exif)
    np.testing.assert_array_equal(open_dataset(f"voc-segmentation:{tmp_path}")[0].mask.read(), np.rot90(index, -1))
    np.testing.assert_array_equal(open_dataset(f"voc-segmentation:{tmp_path},exif=ignore")[0].mask.read(), index)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_knows_exif_ignore_and_no_other_value(kind: str) -> None:
    with pytest.raises(VestigeError, match="expected exif=ignore"):
        open_dataset(f"{kind}:faces,exif=yes")
    with pytest.raises(VestigeError) as told:
        open_dataset(f"{kind}:/nowhere,exif=ignore")
    assert "unknown option" not in str(told.value)


def test_the_same_picture_read_in_two_ways_is_still_the_same(tmp_path: Path) -> None:
    for k in range(5):
        turned(tmp_path / f"{k}.jpg", width=WIDTH + k)
    with pytest.raises(VestigeError, match="share nothing"):
        open_train_test(f"folder:{tmp_path}", f"folder:{tmp_path},exif=ignore")


def test_pipes_are_problems_wherever_a_file_is_expected(tmp_path: Path, write_picture) -> None:
    write_picture(tmp_path / "good.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    dataset = open_dataset(f"folder:{tmp_path}")
    assert [Path(problem.file).name for problem in dataset.skipped] == ["pipe.jpg"]
    os.mkfifo(tmp_path / "good.pts")
    with pytest.raises(VestigeError, match=r"good\.pts: .*pipe"):
        open_dataset(f"300w:{tmp_path}")
    os.mkfifo(tmp_path / "a.json")
    with pytest.raises(VestigeError, match="is a pipe"):
        open_dataset(f"coco:{tmp_path}/a.json")
    os.mkfifo(tmp_path / "attributes.csv")
    with pytest.raises(VestigeError, match="is a pipe"):
        open_dataset(f"lfw:{tmp_path}")


def test_links_to_folders_are_followed_once_and_circles_end(tmp_path: Path, write_picture) -> None:
    root = tmp_path / "data"
    write_picture(root / "own" / "a.png", seed=1)
    write_picture(tmp_path / "elsewhere" / "b.png", seed=2)
    (root / "linked").symlink_to(tmp_path / "elsewhere")
    (root / "again").symlink_to(root / "own")
    (tmp_path / "elsewhere" / "back").symlink_to(tmp_path / "elsewhere")
    (root / "own" / "up").symlink_to(root)
    dataset = open_dataset(f"folder:{root}", strict=True)
    assert [example.id for example in dataset] == ["linked/b.png", "own/a.png"]
    (root / "above").symlink_to(tmp_path)
    (problem,) = open_dataset(f"folder:{root}").skipped
    assert Path(problem.file).name == "above"
    (tmp_path / "root").symlink_to(root)
    assert len(open_dataset(f"folder:{tmp_path}/root")) == 2


def test_a_folder_that_cannot_be_read_is_a_problem(tmp_path: Path, write_picture, monkeypatch) -> None:
    write_picture(tmp_path / "a.png")
    write_picture(tmp_path / "closed" / "b.png")
    scandir = os.scandir

    def refusing(path: Any = ".") -> Any:
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    (problem,) = open_dataset(f"folder:{tmp_path}").skipped
    assert (Path(problem.file).name, "Permission denied" in problem.message) == ("closed", True)
    with pytest.raises(VestigeError, match="Permission denied"):
        open_dataset(f"folder:{tmp_path}/closed")


@pytest.mark.parametrize("ending", [".png", ".jpg"])
def test_what_vestige_draws_is_never_data(tmp_path: Path, write_picture, ending: str) -> None:
    write_picture(tmp_path / "a.png")
    dataset = open_dataset(f"folder:{tmp_path}")
    save_image(contact_sheet(dataset), tmp_path / f"contact-sheet{ending}")
    assert open_dataset(f"folder:{tmp_path}", strict=True).fingerprint == dataset.fingerprint


@pytest.mark.parametrize("name", ["a,b", ",", "a,fold=1/2", "a\\b", "a b", "a=b,c=d,", "a@b:c"])
def test_a_comma_in_a_path_can_be_written_and_comes_back(tmp_path: Path, write_picture, name: str) -> None:
    write_picture(tmp_path / name / "a.png")
    text = data_spec_text("folder", f"{tmp_path}/{name}", {"fold": "1/1", "exif": "ignore"})
    parsed = parse_data_spec(text)
    assert (parsed.path, dict(parsed.options)) == (f"{tmp_path}/{name}", {"fold": "1/1", "exif": "ignore"})
    assert data_spec_text(parsed.kind, parsed.path, parsed.options) == text
    assert len(open_dataset(text)) == 1


@pytest.mark.parametrize("spec", ["folder:{root}/a,b", "folder:{root}/none,fold=1/1"])
def test_a_spec_that_is_cut_at_a_comma_says_how_to_write_it(tmp_path: Path, write_picture, spec: str) -> None:
    write_picture(tmp_path / "a,b" / "a.png")
    with pytest.raises(VestigeError, match=r"comma.*\\,"):
        open_dataset(spec.format(root=tmp_path))


@pytest.mark.parametrize(
    "option",
    ["n=999999999999999999", "n=" + "9" * 5000, "seed=4294967296", "start=1e9", "size=-5", "size=99999999999", "n=٣"],
)
def test_numbers_in_specs_have_a_range(option: str) -> None:
    with pytest.raises(VestigeError, match=option.partition("=")[0]):
        open_dataset(f"synthetic:faces,{option}")


Change = Callable[[dict[str, Any]], None]


def opened(root: Path, write_picture, change: Change, encoding: str = "utf-8", options: str = "") -> Any:
    write_picture(root / "a.jpg", WIDTH, HEIGHT)
    document = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": WIDTH, "height": HEIGHT}],
        "annotations": [
            {"id": 7, "image_id": 1, "category_id": 1, "bbox": [5, 4, 30, 20], "keypoints": [9, 8, 2, 12, 9, 2]}
        ],
        "categories": [{"id": 1, "name": "bird", "keypoints": ["a", "b"]}],
    }
    change(document)
    (root / "a.json").write_bytes(json.dumps(document).encode(encoding))
    return open_dataset(f"coco:{root}/a.json{options}")


def texts(document: dict[str, Any]) -> None:
    document["images"][0] |= {"id": "one", "width": str(WIDTH), "height": f"{HEIGHT}.0"}
    document["annotations"][0] |= {"id": "x7", "image_id": "one", "category_id": "1"}
    document["categories"][0]["id"] = 1.0


def nulls(document: dict[str, Any]) -> None:
    document["annotations"][0]["keypoints"] = [9, 8, 2, None, None, 0]
    nothing = {"bbox": None, "keypoints": [None, None, 0] * 2}
    document["annotations"].append(document["annotations"][0] | nothing | {"id": 8})
    document["annotations"].append(document["annotations"][0] | {"id": 9, "bbox": None, "keypoints": None})


def no_sizes(document: dict[str, Any]) -> None:
    document["images"][0] |= {"width": None, "height": 0}


@pytest.mark.parametrize("change", [texts, nulls, no_sizes])
def test_coco_files_of_other_tools_are_read(tmp_path: Path, write_picture, change: Change) -> None:
    dataset = opened(tmp_path, write_picture, change)
    assert (len(dataset), dataset.skipped) == (1, ())


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_is_passed_over(tmp_path: Path, write_picture, encoding: str) -> None:
    assert len(opened(tmp_path, write_picture, lambda _: None, encoding)) == 1


def test_missing_pictures_are_told_once_with_the_option_that_helps(tmp_path: Path, write_picture) -> None:
    def elsewhere(document: dict[str, Any]) -> None:
        document["images"] = [{"id": k, "file_name": f"{k}.jpg"} for k in range(50)]
        document["annotations"] = [document["annotations"][0] | {"id": k, "image_id": k} for k in range(50)]

    with pytest.raises(VestigeError, match="images=DIR") as told:
        opened(tmp_path, write_picture, elsewhere)
    (only,) = str(told.value).splitlines()[1:]
    assert only.endswith("(and 49 more like this)")


def test_an_annotation_of_another_category_adds_no_points(tmp_path: Path, write_picture) -> None:
    def stray(document: dict[str, Any]) -> None:
        document["categories"].append({"id": 2, "name": "kite"})
        document["annotations"].append(document["annotations"][0] | {"id": 8, "category_id": 2, "keypoints": [9, 9, 2]})

    with pytest.raises(VestigeError, match="category=bird"):
        opened(tmp_path, write_picture, stray)
    dataset = opened(tmp_path, write_picture, stray, options=",category=bird")
    assert (len(dataset), dataset.markup.points) == (1, ("a", "b"))


def test_problems_of_one_kind_are_summed_up() -> None:
    problems = [Problem(f"{k}.jpg", f"has {k}x3 pixels; '/a/{k}.json' says 5x5") for k in range(9)]
    lines = summed_up([Problem("x", "is empty"), *problems, Problem("x", "is empty")])
    assert lines == [
        *map(str, problems[:2]),
        f"{problems[2]} (and 6 more like this)",
        "x: is empty (and 1 more like this)",
    ]


def test_a_check_says_which_points_are_hidden_and_that_eyes_lie_together(tmp_path: Path, write_picture) -> None:
    body = "".join(f"{10 + k % 7} {12 + k % 5}\n" for k in range(36)) + "20 20\n" * 12 + "30 30\n" * 20
    for k in range(2):
        write_picture(tmp_path / f"{k}.png", WIDTH, HEIGHT, k)
        text = body if k else body.replace("30 30", "-1 -1", 1)
        (tmp_path / f"{k}.pts").write_text(f"version: 1\nn_points: 68\n{{\n{text}}}\n")
    report = check(open_dataset(f"300w:{tmp_path}"))
    assert [point.visible for point in report.points].count(1) == 1
    assert "visible in 1 of 2" in str(report)
    assert ["eyes" in problem.message for problem in report.problems] == [True]


def test_parts_that_share_a_group_are_refused(tmp_path: Path, write_picture) -> None:
    for k in range(12):
        write_picture(tmp_path / f"P{k // 2}" / f"{k}.png", 8, 8, k)
    split = (f"lfw:{tmp_path},fold=1/2", f"lfw:{tmp_path},fold=2/2")
    train, test = open_train_test(*split)
    assert len(train) + len(test) == 12
    with pytest.raises(VestigeError, match=r"share nothing|same group="):
        open_train_test(f"{split[0]},group=picture", split[1])
