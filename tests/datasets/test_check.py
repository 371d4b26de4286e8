"""Looking a data set over: counts, damage that only decoding shows, copies, and mirror pairs that do not fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vestige.datasets.check import Range, check, mirror_check
from vestige.datasets.dataset import Dataset
from vestige.datasets.opening import open_dataset
from vestige.example import Example
from vestige.images import ImageFile
from vestige.markup import Markup, shipped_markup


def test_pictures_are_counted_and_measured(tmp_path: Path, write_picture) -> None:
    for seed, (width, height) in enumerate([(10, 20), (30, 21), (14, 40)]):
        write_picture(tmp_path / f"{seed}.png", width, height, seed)
    seen = []
    report = check(open_dataset(f"folder:{tmp_path}"), lambda: seen.append(1))
    assert (report.n, report.groups, len(seen)) == (3, 3, 3)
    assert report.widths == Range(10, 14, 30)
    assert report.heights == Range(20, 21, 40)
    assert report.points == ()
    assert report.box_sides is None
    assert report.problems == ()


def test_damage_in_the_middle_is_found_by_decoding(tmp_path: Path, write_picture) -> None:
    """The header and the end mark are there, so that the loader lets it pass; the scan's header is spoilt."""
    write_picture(tmp_path / "good.jpg", 60, 60)
    path = write_picture(tmp_path / "bad.jpg", 60, 60)
    content = bytearray(path.read_bytes())
    content[content.index(b"\xff\xda") + 4] = 9
    path.write_bytes(content)
    (tmp_path / "worse.png").write_bytes(b"")
    dataset = open_dataset(f"folder:{tmp_path}")
    assert len(dataset) == 2
    problems = check(dataset).problems
    assert [Path(problem.file).name for problem in problems] == ["worse.png", "bad.jpg"]
    assert str(check(dataset)).splitlines()[-3] == "problems: 2"


def test_copies_are_found_but_objects_of_one_picture_are_none(tmp_path: Path, write_picture) -> None:
    write_picture(tmp_path / "a.png", seed=1)
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes())
    write_picture(tmp_path / "c.png", seed=2)
    dataset = open_dataset(f"folder:{tmp_path}")
    assert check(dataset).duplicates == (("a.png", "b.png"),)
    one = dataset[2]
    objects = tuple(replace(one, id=f"c#{k}", box=np.array([0.0, 0, 9, 9])) for k in range(2))
    assert check(replace(dataset, examples=objects)).duplicates == ()


def test_attributes_categories_and_points_are_summed_up(tmp_path: Path, write_picture) -> None:
    picture = ImageFile(write_picture(tmp_path / "a.png"))
    examples = tuple(
        Example(str(k), str(k), picture, np.array([0, 0, 8.0 + k, 4]), np.zeros((2, 2)), np.array([True, k == 0]),
                category="cat" if k else "dog", attributes={"age": 10.0 * k} | ({"hat": 1.0} if k == 2 else {}))
        for k in range(3)
    )  # fmt: skip
    report = check(Dataset("s", examples, Markup("m", ("p", "q")), model_labels=("hat",)))
    assert report.categories == {"cat": 2, "dog": 1}
    assert [(p.name, p.visible) for p in report.points] == [("p", 3), ("q", 1)]
    assert report.box_sides == Range(8, 9, 10)
    age, hat = report.attributes
    assert (age.name, age.n, age.values, age.mean, age.binary) == ("age", 3, Range(0, 10, 20), 10.0, False)
    assert (hat.n, hat.binary, hat.model_label) == (1, True, True)
    lines = str(report).splitlines()
    assert "attribute age: 3, 0 to 20, median 10" in lines
    assert "attribute hat (model label): 1, of which 100.0% are 1" in lines
    assert "category cat: 2" in lines


def test_class_shares_leave_void_out(tmp_path: Path, write_picture) -> None:
    write_picture(tmp_path / "JPEGImages" / "a.png", 4, 2)
    (tmp_path / "SegmentationClass").mkdir()
    (tmp_path / "classes.txt").write_text("void\nsky\nsea\n")
    mask = np.array([[0, 1, 1, 2], [255, 1, 0, 0]], np.uint8)
    Image.fromarray(mask).save(tmp_path / "SegmentationClass" / "a.png")
    assert check(open_dataset(f"voc-segmentation:{tmp_path}")).class_shares == {"sky": 0.75, "sea": 0.25}


def faces() -> list[Example]:
    """Mirror-symmetric in the mean: each of 20 shapes and its mirror image, the points rightly exchanged."""
    markup, rng, made = shipped_markup("face68"), np.random.default_rng(0), []
    half = rng.uniform(0, 100, (68, 2))
    base = (half + np.column_stack([100 - half[:, 0], half[:, 1]])[markup.mirror_order()]) / 2
    for k in range(40):
        points = base + rng.normal(0, 1.0, base.shape)
        made.append(Example(str(k), str(k), None, np.array([0.0, 0, 100, 100]), points, np.ones(68, dtype=bool)))
    return made


def test_right_mirror_pairs_fit_the_data() -> None:
    found = mirror_check(faces(), shipped_markup("face68"))
    assert found.largest < 0.02


def test_a_wrong_pair_is_named() -> None:
    right = shipped_markup("face68")
    order = list(right.mirror)
    order[36], order[45], order[39], order[42] = 42, 39, 45, 36  # the inner and outer corners exchanged
    found = mirror_check(faces(), replace(right, mirror=tuple(order)))
    assert found.largest > 0.1
    assert found.point in {right.points[k] for k in (36, 39, 42, 45)}
    assert found.median < 0.02


@pytest.mark.parametrize("examples", [[], faces()[:19]])
def test_too_few_examples_tell_nothing_of_the_mirror(examples) -> None:
    assert mirror_check(examples, shipped_markup("face68")) is None
    assert mirror_check(faces(), Markup("m", tuple(map(str, range(68))))) is None
