"""Segmentation targets, the second map and the scores, each against an oracle of its own."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import Ridge
from sklearn.metrics import average_precision_score, confusion_matrix, jaccard_score

from vestige.datasets.dataset import Dataset
from vestige.errors import VestigeError
from vestige.example import Example
from vestige.intervals import Bootstrap
from vestige.probes.engine.codec import Encoded
from vestige.probes.engine.views import Views
from vestige.probes.segmentation import pixel_counts
from vestige.probes.segmentation.class_areas import VOID, ClassAreas, LabelTable, majority
from vestige.probes.segmentation.class_maps import map_of, resized
from vestige.probes.segmentation.measure import UNAUGMENTED, Segmentation, augmented_views, segmentation_of, squashed
from vestige.probes.segmentation.pixel_counts import count_pixels, mean_over_classes
from vestige.ridge import fit_rows

CLASSES = ("void", "sky", "grass", "cow")
N_CLASSES = 3


@dataclass(frozen=True)
class Held:
    """A picture in memory."""

    pixels: np.ndarray

    def read(self):
        return self.pixels

    def digest(self):
        return str(hash(self.pixels.tobytes()))


def blobs(seed, height, width, void=0.2):
    """Labels in coarse patches of the three classes, and of void."""
    generator = np.random.default_rng(seed)
    coarse = generator.choice([0, 1, 2, VOID], (5, 6), p=[*[(1 - void) / 3] * 3, void]).astype(np.uint8)
    rows, columns = (np.arange(n) * k // n for n, k in ((height, 5), (width, 6)))
    return coarse[rows[:, None], columns]


def example(seed, height=23, width=37):
    """A picture whose mask holds 0 for void and 1, 2, 3 for the classes."""
    labels = blobs(seed, height, width)
    image = np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return Example(f"p{seed}", f"p{seed}", Held(image), mask=Held(np.where(labels == VOID, 0, labels + 1).astype("u1")))


def task(**options):
    return Segmentation(CLASSES, 0, **{"grid": 4, "augment": 3, **options})


def fractions_by_pixel(labels, box, grid):
    """Every cell's overlap with every pixel, added up one by one."""
    x0, y0, x1, y1 = box
    out = np.zeros((grid, grid, N_CLASSES))
    height, width = (y1 - y0) / grid, (x1 - x0) / grid
    for i, j in np.ndindex(grid, grid):
        top, left = y0 + i * height, x0 + j * width
        for y, x in np.ndindex(labels.shape):
            if labels[y, x] != VOID:
                high = min(y + 1, top + height) - max(y, top)
                wide = min(x + 1, left + width) - max(x, left)
                out[i, j, labels[y, x]] += max(high, 0) * max(wide, 0) / (height * width)
    return out


@pytest.mark.parametrize(
    "box",
    [(0, 0, 17, 11), (2.3, 1.7, 14.9, 8.2), (-5.5, -3.2, 9.1, 20.4), (30.0, 2.0, 44.0, 9.0), (3.2, 4.1, 3.9, 4.6)],
)
def test_targets_are_exact_areas_also_outside_the_picture(box):
    labels = blobs(1, 11, 17)
    found = ClassAreas.of(labels).fractions(box, 5, N_CLASSES)
    np.testing.assert_allclose(found, fractions_by_pixel(labels, box, 5), atol=1e-6)


def test_a_mirrored_crop_has_the_targets_of_the_transformed_mask():
    own = example(3, 24, 36)
    labels = LabelTable(CLASSES, 0).labels(own)
    views = Views([own], np.zeros(2, np.intp), np.array([[6.0, 4, 30, 20]] * 2), np.array([False, True]))
    plain, mirrored = task().cells(task().encode(views).values)
    cut = labels[4:20, 6:30]
    for found, expected in ((plain, cut), (mirrored, cut[:, ::-1])):
        blocks = np.stack([expected == c for c in range(N_CLASSES)], axis=-1).reshape(4, 4, 4, 6, N_CLASSES)
        np.testing.assert_allclose(found, blocks.mean(axis=(1, 3)), atol=1e-6)


def test_binary_targets_are_1_for_the_class_of_most_of_a_cell():
    views = augmented_views([example(k) for k in range(3)], 3, 0.5, 0)
    shares = task().cells(task().encode(views).values)
    binary = task(targets="binary").cells(task(targets="binary").encode(views).values)
    most = majority(shares)
    assert (most < 0).any()
    np.testing.assert_array_equal(binary.sum(axis=-1), most >= 0)
    np.testing.assert_array_equal(binary.argmax(axis=-1)[most >= 0], most[most >= 0])
    np.testing.assert_array_equal(majority(binary), most)
    assert task(targets="binary").to_json()["targets"] == "binary"


def test_views_of_several_pictures_get_the_targets_of_their_own_masks():
    examples = [example(k, 20 + k, 30 - k) for k in range(5)]
    views = task(augment=4).train_views(examples)
    found = task().cells(task().encode(views).values)
    for k in range(len(views)):
        labels = LabelTable(CLASSES, 0).labels(examples[views.rows[k]])
        alone = fractions_by_pixel(labels, views.boxes[k], 4)
        np.testing.assert_allclose(found[k], alone[:, ::-1] if views.mirrored[k] else alone, atol=1e-6)


def test_copies_are_crops_inside_the_picture_and_the_first_is_the_picture():
    examples = [example(k, 50, 80) for k in range(40)]
    views = augmented_views(examples, 10, 0.6, seed=5)
    assert views.rows.tolist() == np.repeat(np.arange(40), 10).tolist()
    boxes, mirrored = views.boxes.reshape(40, 10, 4), views.mirrored.reshape(40, 10)
    assert (boxes[:, 0] == [0, 0, 80, 50]).all()
    assert not mirrored[:, 0].any()
    sides = boxes[..., 2:] - boxes[..., :2]
    np.testing.assert_allclose(sides[..., 0] / sides[..., 1], 1.6)
    assert (boxes[..., :2] >= 0).all()
    assert (boxes[..., 2:] <= np.array([80, 50]) + 1e-9).all()
    assert 0.6 <= sides[:, 1:, 0].min() / 80 < 0.62 < 0.98 < sides[:, 1:, 0].max() / 80 <= 1
    assert 0.4 < mirrored[:, 1:].mean() < 0.6
    np.testing.assert_array_equal(augmented_views(examples, 10, 0.6, seed=5).boxes, views.boxes)
    assert (augmented_views(examples, 10, 0.6, seed=6).boxes[1::10] != views.boxes[1::10]).any()
    assert len(augmented_views(examples, 1, 0.6, seed=5)) == 40


def test_majority():
    cells = np.array([[0.2, 0.5, 0.1], [0.3, 0.0, 0.1], [0.0, 0.0, 0.0], [0.5, 0.0, 0.0], [1, 0, 0]], np.float32)
    assert majority(cells).tolist() == [1, -1, -1, 0, 0]


def test_mask_values_to_labels():
    table = LabelTable(CLASSES, 0)
    assert table.names == ("sky", "grass", "cow")
    values = np.array([[0, 1], [3, 255]], np.uint8)
    assert table.labels(Example("a", "a", Held(values), mask=Held(values))).tolist() == [[VOID, 0], [2, VOID]]
    assert LabelTable(("a", "b"), None).labels(Example("a", "a", Held(values), mask=Held(values % 2))).max() == 1
    with pytest.raises(VestigeError, match=r"a: .* 7; .* 0 to 3"):
        table.labels(Example("a", "a", Held(values), mask=Held(values | 7)))


def scene(seed, n=6):
    """Responses of random grids, and masks of several sizes to measure them against."""
    generator = np.random.default_rng(seed)
    truth = [blobs(seed + k, 20 + 3 * k, 41 - 2 * k) for k in range(n)]
    grids = np.stack([ClassAreas.of(t).fractions((0, 0, t.shape[1], t.shape[0]), 5, N_CLASSES) for t in truth])
    return (grids + generator.normal(0, 0.3, grids.shape)).astype(np.float32), truth


def pixels_of(responses, truth):
    """All labelled pixels by torch's own resizing: responses ``(m, C)`` and labels ``(m,)``."""
    rows, labels = [], []
    for grid, mask in zip(responses, truth, strict=True):
        channels = torch.from_numpy(grid).permute(2, 0, 1)[None].double()
        large = torch.nn.functional.interpolate(channels, size=mask.shape, mode="bilinear", align_corners=False)
        rows.append(large[0].permute(1, 2, 0).numpy()[mask != VOID])
        labels.append(mask[mask != VOID])
    return np.concatenate(rows), np.concatenate(labels)


def test_iou_is_that_of_scikit_learn_over_all_pixels():
    responses, truth = scene(0)
    values, labels = pixels_of(responses, truth)
    called = values.argmax(axis=1)
    counts = count_pixels(responses, truth)
    np.testing.assert_allclose(counts.iou(), jaccard_score(labels, called, average=None))
    matrix = confusion_matrix(labels, called)
    assert counts.hits.sum(axis=0).tolist() == np.diag(matrix).tolist()
    assert counts.called.sum(axis=0).tolist() == matrix.sum(axis=0).tolist()
    assert counts.present.sum(axis=0).tolist() == matrix.sum(axis=1).tolist()
    assert float(counts.accuracy()) == pytest.approx(np.mean(labels == called))
    for k in range(len(truth)):
        own, mask = pixels_of(responses[k : k + 1], truth[k : k + 1])
        assert counts.wrong[k] == pytest.approx(np.mean(own.argmax(axis=1) != mask))


@pytest.mark.parametrize("together", [2**25, 500, 1])
def test_average_precision_is_that_of_scikit_learn(together, monkeypatch):
    monkeypatch.setattr(pixel_counts, "TOGETHER", together)
    responses, truth = scene(1)
    responses[2:4] = np.round(responses[2:4])  # cells that are alike, and pixels that tie
    responses[0, ..., 1] = 40.0  # so that bins are coarse
    values, labels = pixels_of(responses, truth)
    counts = count_pixels(responses, truth)
    expected = [average_precision_score(labels == c, values[:, c].astype(np.float32)) for c in range(N_CLASSES)]
    np.testing.assert_allclose(counts.average_precision(), expected, atol=1e-6)  # where torch rounds otherwise
    every = np.ones((1, len(truth)), np.float32)
    np.testing.assert_allclose(counts.average_precision(every)[0], counts.average_precision(), atol=1e-6)


def test_average_precision_of_pixels_as_they_are_ranked_is_exact():
    draw = np.random.default_rng(6)
    responses = draw.integers(0, 9, (3, 12, 12, N_CLASSES)).astype(np.float32) / 7  # a cell is a pixel
    responses[0] = draw.normal(size=responses[0].shape) * 1e-4  # all in one bin, and all different
    truth = [blobs(k, 12, 12, void=0.2) for k in range(3)]
    known = np.stack(truth) != VOID
    found = count_pixels(responses, truth).average_precision()
    expected = [average_precision_score(np.stack(truth)[known] == c, responses[known][:, c]) for c in range(N_CLASSES)]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_a_response_that_is_the_same_everywhere_has_the_share_of_the_class_as_its_precision():
    _, truth = scene(2)
    counts = count_pixels(np.full((len(truth), 5, 5, N_CLASSES), 0.25, np.float32), truth)
    labels = np.concatenate([mask[mask != VOID] for mask in truth])
    np.testing.assert_allclose(counts.average_precision(), np.bincount(labels) / len(labels))


def test_a_resample_is_the_score_of_the_pictures_it_holds():
    responses, truth = scene(3)
    counts = count_pixels(responses, truth)
    drawn = [0, 2, 2, 5, 5, 5]
    weights = np.bincount(drawn, minlength=len(truth)).astype(np.float32)[None]
    values, labels = pixels_of(responses[drawn], [truth[k] for k in drawn])
    np.testing.assert_allclose(counts.iou(weights)[0], jaccard_score(labels, values.argmax(axis=1), average=None))
    assert counts.accuracy(weights)[0] == pytest.approx(np.mean(labels == values.argmax(axis=1)))
    expected = [average_precision_score(labels == c, values[:, c]) for c in range(N_CLASSES)]
    np.testing.assert_allclose(counts.average_precision(weights)[0], expected, atol=1e-3)


def test_classes_that_do_not_occur_have_no_say():
    responses, truth = scene(4)
    truth = [np.where(mask == 1, 0, mask).astype(np.uint8) for mask in truth]
    counts = count_pixels(responses, truth)
    assert counts.occurs.tolist() == [True, False, True]
    assert np.isnan(counts.iou()[1])
    assert mean_over_classes(counts.iou(), counts.occurs) == pytest.approx(counts.iou()[[0, 2]].mean())
    scores = task(grid=5).scores(responses.reshape(len(truth), -1), tuple(truth), Bootstrap.draw(range(len(truth))))
    assert scores["miou", "grass"].n == 0
    assert scores["miou", "all"].value == pytest.approx(counts.iou()[[0, 2]].mean())


@given(seed=st.integers(0, 10**6), fill=st.sampled_from([0, 1, 2]))
def test_void_never_counts(seed, fill):
    """What is under void, in the mask or in the responses there, changes no count; all else is counted once."""
    generator = np.random.default_rng(seed)
    labels = blobs(seed, 12, 12, void=0.5)
    hidden = labels == VOID
    responses = generator.normal(size=(1, 12, 12, N_CLASSES)).astype(np.float32)  # a cell is a pixel
    other = np.where(hidden[..., None], np.float32(generator.uniform(-1, 1)), responses)
    a, b = count_pixels(responses, [labels], ranked=False), count_pixels(other, [labels], ranked=False)
    for field in ("hits", "called", "present"):
        np.testing.assert_array_equal(getattr(a, field), getattr(b, field))
    assert a.present.sum() == a.called.sum() == (~hidden).sum()
    ranked = count_pixels(responses, [labels])
    assert ranked.ranked.sum() == N_CLASSES * (~hidden).sum()
    assert ranked.ranked_hits.sum() == (~hidden).sum()
    areas = ClassAreas.of(labels).fractions((0, 0, 12, 12), 3, N_CLASSES)
    filled = ClassAreas.of(np.where(hidden, np.uint8(fill), labels)).fractions((0, 0, 12, 12), 3, N_CLASSES)
    np.testing.assert_array_equal(np.delete(areas, fill, -1), np.delete(filled, fill, -1))
    np.testing.assert_allclose(areas.sum(axis=-1), 1 - hidden.reshape(3, 4, 3, 4).mean(axis=(1, 3)), atol=1e-6)


def cells_and_folds(n=120, seed=0):
    generator = np.random.default_rng(seed)
    values = np.stack(
        [ClassAreas.of(blobs(seed + k, 16, 16, 0.4)).fractions((0, 0, 16, 16), 4, N_CLASSES).ravel() for k in range(n)]
    )
    mixed = values.reshape(-1, N_CLASSES) @ np.array([[0.7, 0.2, 0.1], [0.3, 0.4, 0.1], [0.0, 0.1, 0.3]], np.float32)
    predicted = (mixed.reshape(n, -1) + generator.normal(0, 0.2, values.shape)).astype(np.float32)
    return predicted, Encoded(values.astype(np.float32)), np.arange(n) % 4


def test_second_map_is_ridge_of_scikit_learn_on_the_cells_that_count():
    predicted, encoded, folds = cells_and_folds()
    probe = task().refine(predicted, encoded, folds)
    truth = majority(encoded.values.reshape(-1, N_CLASSES))
    x, y = predicted.reshape(-1, N_CLASSES)[truth >= 0].astype(np.float64), np.eye(N_CLASSES)[truth[truth >= 0]]
    labels = np.repeat(folds, 16)[truth >= 0]
    alpha = fit_rows(x, y, labels, fit_intercept=False, dtype="float64").alpha
    for c in range(N_CLASSES):
        expected = Ridge(alpha=alpha[c], fit_intercept=False).fit(x, y[:, c])
        np.testing.assert_allclose(probe.coef[c], expected.coef_, rtol=1e-4, atol=1e-5)
    assert (probe.intercept == 0).all()
    refined = task().stages("ridge", predicted, probe)["ridge+M"]
    np.testing.assert_allclose(refined.reshape(-1, 3)[7], probe.coef @ predicted.reshape(-1, 3)[7], rtol=1e-4)
    assert np.mean(refined.reshape(-1, 3).argmax(1)[truth >= 0] == truth[truth >= 0]) > np.mean(
        predicted.reshape(-1, 3).argmax(1)[truth >= 0] == truth[truth >= 0]
    )


def test_cells_that_are_mostly_void_have_no_say_in_the_second_map_nor_in_the_choice_of_layers():
    predicted, encoded, folds = cells_and_folds()
    void = majority(encoded.values.reshape(-1, N_CLASSES)) < 0
    changed = predicted.copy().reshape(-1, N_CLASSES)
    changed[void] = np.random.default_rng(1).normal(0, 10, (void.sum(), N_CLASSES))
    changed = changed.reshape(predicted.shape)
    assert 0.05 < void.mean() < 0.95
    a, b = (task().refine(values, encoded, folds) for values in (predicted, changed))
    np.testing.assert_array_equal(a.coef, b.coef)
    assert task().out_of_fold(predicted, encoded) == task().out_of_fold(changed, encoded)


def test_layers_are_chosen_by_mean_iou_over_cells():
    predicted, encoded, _ = cells_and_folds()
    truth = majority(encoded.values.reshape(-1, N_CLASSES))
    called = predicted.reshape(-1, N_CLASSES).argmax(axis=1)
    expected = jaccard_score(truth[truth >= 0], called[truth >= 0], average="macro")
    assert task().out_of_fold(predicted, encoded) == pytest.approx(expected)


def test_ablation_sees_the_pictures_alone():
    views = task(augment=5).train_views([example(k) for k in range(3)])
    (chosen,) = task(augment=5).ablations(views).values()
    assert chosen.tolist() == [0, 5, 10]
    assert list(task(augment=5).ablations(views)) == [UNAUGMENTED]
    assert not task(augment=1).ablations(views)


def test_resizing_is_that_of_torch():
    grid = np.random.default_rng(0).normal(size=(4, 4, N_CLASSES)).astype(np.float32)
    for size in ((9, 13), (4, 4), (3, 2)):
        channels = torch.from_numpy(grid).permute(2, 0, 1)[None].double()
        expected = torch.nn.functional.interpolate(channels, size=size, mode="bilinear", align_corners=False)
        np.testing.assert_allclose(resized(grid, size), expected[0].permute(1, 2, 0).numpy(), atol=1e-12)
        np.testing.assert_array_equal(map_of(grid, size), expected[0].argmax(0).numpy())


def test_squashed_labels_are_those_at_the_pixel_centres():
    labels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    assert squashed(labels, 2).tolist() == [[1, 3], [9, 11]]
    assert squashed(np.repeat(np.repeat(labels, 5, 0), 5, 1), 15)[:, 0].tolist() == [0] * 5 + [4] * 5 + [8] * 5


def test_description_is_the_share_of_each_class():
    grid = np.zeros((4, 4, N_CLASSES), np.float32)
    grid[:, :, 0], grid[:3, :, 2] = 0.5, 1.0
    said = task().describe(grid.ravel())["classes"]
    assert list(said) == ["cow", "sky"]
    assert said["cow"] == pytest.approx(0.75, abs=0.01)
    picture = task().picture(grid.ravel(), np.zeros((30, 60, 3), np.uint8))
    assert picture.shape[1] == 2 * 640 + 8
    assert picture.shape[0] > 320


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"grid": 1}, "grid 1: .* from 2 to 128"),
        ({"augment": 0}, "augment 0: .* from 1 to 100"),
        ({"smallest_crop": 0}, "smallest_crop 0: .* above 0, up to 1"),
    ],
)
def test_options_without_sense_are_refused(options, message):
    with pytest.raises(VestigeError, match=message):
        task(**options)


def test_data_without_what_is_needed_are_refused():
    bare = Example("a", "a", Held(np.zeros((4, 4, 3), np.uint8)))
    with pytest.raises(VestigeError, match="folder:x: "):
        segmentation_of(Dataset("folder:x", (bare,)), 30, 1, 1.0, 0)
    with pytest.raises(VestigeError, match="has no masks"):
        segmentation_of(Dataset("x", (example(0),), classes=("void", "sky"), void=0), 30, 1, 1.0, 0)
    own = segmentation_of(Dataset("x", (example(0),), classes=CLASSES, void=0), 30, 1, 1.0, 0)
    with pytest.raises(VestigeError, match="a: has no mask"):
        own.check([bare])
    with pytest.raises(VestigeError, match=r"other: .* a, b; .* sky, grass, cow"):
        own.check(Dataset("other", (example(0),), classes=("a", "b")))
