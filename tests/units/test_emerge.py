"""Which objects emerge: every number against another library or plain loops, and the drawn world's truth."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import dirichlet_multinomial, pearsonr, rankdata, spearmanr
from sklearn.linear_model import LinearRegression
from sklearn.metrics import average_precision_score, roc_auc_score

from vestige import Dataset, VestigeError, measure, open_dataset
from vestige.contract.session import Session
from vestige.extraction import ExtractOptions
from vestige.features.reader import Reader
from vestige.run import Run
from vestige.synthetic.world import DIAGNOSTIC
from vestige.units.annotations.answers import Answer
from vestige.units.annotations.files import write_answers
from vestige.units.annotations.source import answers_of_file, take_in
from vestige.units.emerge.correlations import centred, concentration, correlations, resampled_units
from vestige.units.emerge.meanings import NONE, Meant, meanings, plain, read_words, words_csv
from vestige.units.emerge.naming import NamedUnit, named_units, units_csv
from vestige.units.emerge.scenes import Annotated, area_under_roc, best, dealt, mean_gain, zipf_exponent
from vestige.units.labels import Label, Labels, read_labels

RNG = np.random.default_rng(5)


def pictures(n: int = 90, objects: int = 7, scenes: int = 4, folds: int = 3) -> Annotated:
    """Pictures whose scenes are told by some objects more than by others."""
    scene = RNG.integers(-1, scenes, n)
    there = RNG.random((n, objects)) < np.where(np.arange(objects) % (scenes + 1) == scene[:, None], 0.7, 0.2)
    return Annotated((there * RNG.integers(1, 4, there.shape)).astype(np.int32), scene, scenes, np.arange(n) % folds)


def slow_precision(data: Annotated, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same by scikit-learn, picture by picture: ``(S, O), (S,)``."""
    present, n_objects = data.instances > 0, data.instances.shape[1]
    found = np.full((data.n_scenes, n_objects), np.nan)
    chance = np.full(data.n_scenes, np.nan)
    for s in range(data.n_scenes):
        of_folds, knowing_nothing = [], []
        for fold in np.unique(data.folds):
            held, rest = data.folds == fold, data.folds != fold
            truth = data.scenes == s
            if not weights[held & truth].sum():
                continue
            knowing_nothing.append(weights[held & truth].sum() / weights[held].sum())
            row = []
            for o in range(n_objects):
                both = weights[rest & truth & present[:, o]].sum() / max(weights[rest & present[:, o]].sum(), 1e-12)
                speaks = both > weights[rest & truth].sum() / weights[rest].sum() + 1e-12
                scores = present[held, o].astype(float) * speaks
                row.append(average_precision_score(truth[held], scores, sample_weight=weights[held]))
            of_folds.append(row)
        if of_folds:
            found[s], chance[s] = np.mean(of_folds, axis=0), np.mean(knowing_nothing)
    return found, chance


def test_precision_is_that_of_scikit_learn_on_held_out_folds() -> None:
    data = pictures()
    found, chance = (each[0] for each in data.precision())
    expected, nothing = slow_precision(data, np.ones(len(data.scenes)))
    np.testing.assert_allclose(found, expected)
    np.testing.assert_allclose(chance, nothing)
    assert (found.max(axis=1) > chance).all()


def test_resampled_precision_is_that_of_pictures_that_are_there_several_times() -> None:
    data = pictures()
    weights = RNG.integers(0, 3, (4, len(data.scenes))).astype(np.float32)
    weights[3, (data.scenes == 2) & (data.folds == 0)] = 0  # a fold without the scene
    weights[2, data.scenes == 1] = 0  # none of a scene
    found, chance = data.precision(weights)
    for row, times in enumerate(weights.astype(int)):
        expected, nothing = slow_precision(data, times.astype(float))
        np.testing.assert_allclose(found[row], expected)
        np.testing.assert_allclose(chance[row], nothing)
        drawn = np.repeat(np.arange(len(times)), times)
        copies = Annotated(data.instances[drawn], data.scenes[drawn], data.n_scenes, data.folds[drawn])
        np.testing.assert_allclose(copies.precision()[0][0], found[row])
        np.testing.assert_allclose(data.frequencies(weights)[row], copies.frequency)
    assert np.isnan(found[2, 1]).all()
    again = [np.concatenate(each) for each in zip(*data.resampled(weights), strict=True)]
    np.testing.assert_allclose(again[0], found)
    np.testing.assert_allclose(again[1], chance)
    assert not best(found, chance)[2, 1].any()


def test_an_object_that_decides_has_1_and_one_that_says_nothing_the_scenes_share() -> None:
    scene = np.repeat([0, 1], 30)
    instances = np.stack([scene == 0, np.ones(60), scene == 1, np.zeros(60)], axis=1).astype(np.int32)
    found, chance = (each[0] for each in Annotated(instances, scene, 2, np.arange(60) % 5).precision())
    np.testing.assert_allclose(found, [[1, 0.5, 0.5, 0.5], [0.5, 0.5, 1, 0.5]])
    np.testing.assert_allclose(chance, 0.5)


def test_objects_that_are_alike_share_a_scene_and_none_has_one_that_nothing_tells() -> None:
    precision, chance = np.array([[0.8, 0.8, 0.1], [0.2, 0.9, 0.3], [0.2, 0.2, 0.1]]), np.array([0.3, 0.3, 0.2])
    np.testing.assert_allclose(best(precision, chance), [[0.5, 0.5, 0], [0, 1, 0], [0, 0, 0]])


def test_the_gain_is_the_mean_over_scenes_that_are_there() -> None:
    precision = np.array([[0.8, 0.2], [0.5, 0.1], [np.nan, np.nan]])
    np.testing.assert_allclose(mean_gain(precision, np.array([0.2, 0.1, np.nan])), [0.5, 0])
    alike = mean_gain(np.array([[0.1 + 0.2, 0.3], [0.7, 0.7]]), np.array([0.1, 0.1]))
    assert alike[0] == alike[1]


@given(hnp.arrays(np.float64, 12, elements=st.integers(0, 4).map(float)), hnp.arrays(np.bool_, 12))
def test_how_well_values_tell_objects_is_the_area_under_scikit_learns_curve(
    values: np.ndarray, positive: np.ndarray
) -> None:
    positive[:2] = True, False
    assert area_under_roc(values, positive) == pytest.approx(roc_auc_score(positive, values))
    both = area_under_roc(np.stack([values, -values]), positive)
    assert both.sum() == pytest.approx(1)


def test_folds_keep_groups_together_and_share_scenes_out_evenly() -> None:
    groups = [f"g{k // 2}" for k in range(80)]
    scenes = ["abc"[k // 2 % 3] for k in range(80)]
    folds = dealt(scenes, groups, 5, 3)
    assert all(folds[2 * k] == folds[2 * k + 1] for k in range(40))
    for scene in "abc":
        counts = np.bincount(folds[np.array(scenes) == scene], minlength=5)
        assert counts.max() - counts.min() <= 2  # a group of two
    np.testing.assert_array_equal(folds, dealt(scenes, groups, 5, 3))
    assert (folds != dealt(scenes, groups, 5, 4)).any()


values = hnp.arrays(np.float64, 9, elements=st.integers(0, 12).map(float))


@given(values, values, values, values)
def test_correlations_are_those_of_scipy(
    units: np.ndarray, frequency: np.ndarray, times_best: np.ndarray, gain: np.ndarray
) -> None:
    for ranked, by in ((False, pearsonr), (True, spearmanr)):
        found = correlations(units, frequency, times_best, gain, ranked=ranked)
        pairs = {
            "frequency": (units, frequency),
            "informativeness": (units, times_best),
            "gain": (units, gain),
            "between": (frequency, times_best),
            "between_gain": (frequency, gain),
        }
        for name, (one, other) in pairs.items():
            if np.ptp(one) and np.ptp(other):
                assert found[name] == pytest.approx(by(one, other).statistic, abs=1e-9)
            else:
                assert np.isnan(found[name])


SAME = (("frequency_given", "frequency_given_gain"), ("informativeness_given", "gain_given"))
"""Where gain is times best."""


@settings(max_examples=40)
@given(values, values, values)
def test_a_partial_correlation_is_that_of_what_regressions_leave(
    units: np.ndarray, frequency: np.ndarray, informative: np.ndarray
) -> None:
    for ranked in (False, True):
        u, f, i = (rankdata(each) if ranked else each for each in (units, frequency, informative))
        found = correlations(units, frequency, informative, informative, ranked=ranked)
        assert all(np.array_equal(found[a], found[b], equal_nan=True) for a, b in SAME)
        for name, x, z in (("frequency_given", f, i), ("informativeness_given", i, f)):
            left = [y - LinearRegression().fit(z[:, None], y).predict(z[:, None]) for y in (u, x)]
            if min(np.ptp(z), *(np.abs(each).max() for each in left)) < 1e-3:
                continue
            assert found[name] == pytest.approx(pearsonr(*left).statistic, abs=1e-6)


def test_correlations_of_many_resamples_are_those_of_each() -> None:
    drawn = RNG.random((4, 6, 11))
    for ranked in (False, True):
        together = correlations(*drawn, ranked=ranked)
        for row in range(6):
            alone = correlations(*drawn[:, row], ranked=ranked)
            assert all(together[name][row] == pytest.approx(value) for name, value in alone.items())


def test_resamples_are_moved_about_the_value_and_stay_correlations() -> None:
    resampled = np.append(np.tanh(RNG.normal(0.4, 0.3, 5000)), np.nan)
    moved = centred(resampled, 0.7)
    known = np.isfinite(moved)
    assert np.arctanh(moved[known]).mean() == pytest.approx(np.arctanh(0.7))
    assert np.arctanh(moved[known]).std() == pytest.approx(np.arctanh(resampled[known]).std())
    for value in (-1.0, 1.0):
        moved = centred(np.array([-1.0, 0.2, 1.0]), value)
        assert (np.abs(moved) <= 1).all()
    assert np.isnan(centred(np.array([np.nan]), 0.3)).all()


def test_the_concentration_is_the_likeliest() -> None:
    counts = np.array([7.0, 0, 0, 3, 1, 0, 0, 12, 0, 1])
    grid = np.exp(np.linspace(-4, 4, 801))
    likely = [dirichlet_multinomial(np.full(10, a), 24).logpmf(counts) for a in grid]
    assert np.log(concentration(counts)) == pytest.approx(np.log(grid[int(np.argmax(likely))]), abs=0.02)
    assert concentration(np.full(10, 3.0)) > 100  # all alike


def test_units_drawn_again_are_as_many_and_of_objects_that_had_none_too() -> None:
    counts = np.array([20.0, 0, 0, 8, 1, 0, 0, 3])
    drawn = resampled_units(counts, 64, 4000, 1)
    assert drawn.sum(axis=1).mean() == pytest.approx(32, abs=0.3)
    assert (drawn.sum(axis=1) <= 64).all()
    shares = (counts + concentration(counts)) / (counts + concentration(counts)).sum()
    np.testing.assert_allclose(drawn.mean(axis=0), 32 * shares, atol=0.3)
    assert drawn[:, 1].any()
    assert not resampled_units(np.zeros(8), 64, 3, 1).any()
    np.testing.assert_allclose(resampled_units(counts, 32, 5, 1).sum(axis=1), 32)


@pytest.mark.parametrize("ranked", [False, True])
def test_intervals_over_units_hold_what_comes_out_on_average(ranked: bool) -> None:
    rng = np.random.default_rng(3)
    held = []
    for _ in range(8):
        frequency = np.minimum(rng.pareto(1.0, 50) + 1, 60)
        shares = rng.gamma(0.4, 1, 50) * np.sqrt(frequency)
        counts = rng.multinomial(80, shares / shares.sum(), size=1000).astype(float)

        def by_frequency(units: np.ndarray, frequency: np.ndarray = frequency) -> np.ndarray:
            fixed = np.broadcast_to(frequency, units.shape)
            return correlations(units, fixed, fixed, fixed, ranked=ranked)["frequency"]

        every = by_frequency(counts)
        for seed, own in enumerate(counts[:25]):
            spread = centred(by_frequency(resampled_units(own, 80, 400, seed)), float(every[seed]))
            low, high = np.percentile(spread, [2.5, 97.5])
            held.append(low <= every.mean() <= high)
    assert np.mean(held) > 0.93


def test_what_people_said_is_no_formula_in_a_table() -> None:
    unit = NamedUnit("conv5", 3, '=HYPERLINK("a") / lamp', "lamp", 0.5, "object", "")
    (row,) = csv.DictReader(io.StringIO(units_csv([unit])))
    assert (row["said"], row["score"], row["counts"]) == ("'" + unit.said, "0.5", "true")


def test_the_exponent_is_that_of_the_least_squares_line() -> None:
    assert zipf_exponent(1000 / np.arange(1, 50) ** 1.3) == pytest.approx(1.3)
    frequency = RNG.integers(1, 500, 30).astype(float)
    slope = np.polyfit(np.log(np.arange(1, 31)), np.log(-np.sort(-frequency)), 1)[0]
    np.testing.assert_allclose(zipf_exponent(np.stack([frequency, frequency])), -slope)
    np.testing.assert_allclose(zipf_exponent(np.append(frequency, 0.0)), -slope)
    assert np.isnan(zipf_exponent(np.array([3.0, 0.0])))


OBJECTS = ("person", "traffic_light", "books", "book", "leaf", "bus, autobus, coach", "coach", "glass", "sky")


@pytest.mark.parametrize(
    ("word", "thing", "by"),
    [
        ("Person", "person", "name"),
        ("people", "person", "plural"),
        ("Traffic lights.", "traffic_light", "plural"),
        ("books", "books", "name"),
        ("book", "book", "name"),
        ("leaves", "leaf", "plural"),
        ("glasses", "glass", "plural"),
        ("buses", "bus, autobus, coach", "plural"),
        ("coach", "coach", "name"),
        ("skyscraper", "", ""),
        ("???", "", ""),
        ("", "", ""),
    ],
)
def test_words_are_objects_by_name_and_plural(word: str, thing: str, by: str) -> None:
    found = meanings([word], OBJECTS)[plain(word)]
    assert (found.object, found.by) == (thing, by)


def test_an_object_named_in_the_plural_is_found_by_its_singular() -> None:
    assert meanings(["flower"], ["flowers", "grass"])["flower"] == Meant("flowers", "plural")


def test_a_word_that_may_be_two_objects_is_left_open_with_what_is_near() -> None:
    found = meanings(["Tower", "car"], ["tower, keep", "tower, spire", "cart"])
    assert found["tower"].object == ""
    assert found["car"] == Meant("", "", ("cart",))


def test_what_a_file_says_goes_first() -> None:
    found = meanings(["book", "sky", "human"], OBJECTS, {"book": "books", "sky": NONE, "human": ""})
    assert [each.object for each in found.values()] == ["books", NONE, ""]
    assert [each.known for each in found.values()] == [True, False, False]


@given(st.lists(st.text(max_size=12), max_size=5))
def test_any_words_have_a_meaning_and_are_in_the_draft(words: list[str]) -> None:
    found = meanings(words, OBJECTS)
    assert list(found) == list(dict.fromkeys(map(plain, words)))
    table = list(csv.DictReader(io.StringIO(words_csv(found, {}), newline="")))
    assert sorted(row["word"] for row in table) == sorted(found)


def test_what_a_file_says_of_a_word_holds_for_its_plural_and_singular() -> None:
    given = {"building": "house", "towers": "sky", "lamp": "sun", "lamps": NONE, "books": "sky", "bulb": ""}
    found = meanings(["buildings", "Tower", "lamp", "lamps", "book", "bulbs"], ["house", "sky", "sun", "book"], given)
    assert [each.object for each in found.values()] == ["house", "sky", "sun", NONE, "book", ""]
    assert [each.by for each in found.values()] == ["file", "file", "file", "file", "name", ""]


def test_a_draft_reads_back_as_what_it_says(tmp_path: Path) -> None:
    file = tmp_path / "words.csv"
    found = meanings(["people", "skyscraper", "book"], OBJECTS)
    file.write_text(words_csv(found, {"book": 1, "skyscraper": 2}))
    assert [line.split(",")[0] for line in file.read_text().splitlines()] == ["word", "skyscraper", "book", "people"]
    assert read_words(file, OBJECTS) == {"skyscraper": "", "book": "book", "people": "person"}
    again = meanings(["people", "skyscraper", "book"], OBJECTS, read_words(file, OBJECTS))
    assert [each.object for each in again.values()] == ["person", "", "book"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("word,thing\nbook,book\n", "'object'"),
        ("word,object\nbook,boook\n", "line 2: 'book' is said to be 'boook'.*did you mean book"),
        ("word,object\nbook,book\nBook,books\n", "line 3"),
        ("word,object\n,book\n", "line 2: has no word"),
        ("word,object\nBooks,book\nbook,leaf\n", "'books' is said to be 'book', and that to be 'leaf'"),
        ('word,object\n"book,book\n', "words.csv"),
        ("", "is empty"),
    ],
)
def test_a_bad_file_of_words_is_refused(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "words.csv"
    file.write_text(text)
    with pytest.raises(VestigeError, match=told):
        read_words(file, OBJECTS)


def by_people(*said: tuple[int, str, float, str]) -> Labels:
    labels = tuple(Label("conv", unit, word, score, "people", group) for unit, word, score, group in said)
    return Labels("run", "people", {"conv": tuple(sorted({each.unit for each in labels}))}, labels, {}, None)


def test_a_units_object_is_what_most_people_mean() -> None:
    labels = by_people(
        *((0, "person", 0.5, "object"), (0, "people", 0.7, "object"), (0, "sky", 1.0, "object")),
        *((1, "red", 0.9, "color"), (1, "blue", 0.8, "color"), (1, "book", 1.0, "object")),
        *((2, "book", 0.9, "object"), (2, "sky", 0.8, "object"), (2, "ufo", 1.0, "object")),
        *((3, "ufo", 0.9, "object"), (3, "ghost", 0.8, "object")),
        *((4, "leaf", 0.3, "object"), (4, "leaves", 0.4, "object")),
    )
    found = named_units(labels, "conv", meanings([e.object for e in labels.labels], OBJECTS), OBJECTS, ("object",), 0.5)
    assert [(each.unit, each.object, each.why) for each in found] == [
        (0, "person", ""),
        (1, "book", "group"),
        (2, "book", ""),
        (3, "", "open"),
        (4, "leaf", "score"),
    ]
    assert [each.score for each in found[:3]] == pytest.approx([0.6, 1.0, 0.9])


def test_a_unit_without_a_majority_in_what_counts_counts_for_nothing() -> None:
    labels = by_people(
        *((0, "sky", 1.0, "object"), (0, "sky", 1.0, "scene"), (0, "sky", 1.0, "color")),
        *((1, "sky", 1.0, "object"), (1, "sky", 1.0, "scene")),
        *((2, "book", 1.0, "object"), (2, "ufo", 1.0, "object"), (2, "red", 1.0, "color")),
    )
    meant = meanings([e.object for e in labels.labels], OBJECTS)
    alone = named_units(labels, "conv", meant, OBJECTS, ("object",), 0.0)
    assert [(each.why, each.group) for each in alone[:3]] == [("group", ""), ("group", ""), ("", "object")]
    both = named_units(labels, "conv", meant, OBJECTS, ("object", "scene"), 0.0)
    assert [(each.why, each.object) for each in both[:3]] == [("", "sky"), ("", "sky"), ("", "book")]


def session() -> Session:
    return Session(Reader(ExtractOptions(batch=16), keep=False), lambda _line: None)


SPEC = "synthetic:scenes,n=48,seed=1"


@pytest.fixture(scope="module")
def dissection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dissection of 48 drawn scenes."""
    found = measure(
        "dissect", SPEC, backbone="scene_cnn", layers=["conv4", "conv5"], chance=(), least=4, session=session()
    )
    return found.save(tmp_path_factory.mktemp("runs") / "units").folder


@pytest.fixture(scope="module")
def emerged(dissection: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    found = measure("emerge", dissection, "synthetic:scenes,n=300,seed=4", top=20, session=session())
    return found.save(tmp_path_factory.mktemp("runs") / "emerge")


def table(run: Run, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((run.folder / name).read_text(), newline="")))


def test_the_page_is_as_agreed_on(emerged: Run, agreed: Callable[..., None]) -> None:
    agreed("emerge", emerged)


def test_the_drawn_worlds_objects_that_decide_are_the_most_informative(emerged: Run) -> None:
    for row in table(emerged, "scenes.csv"):
        assert {row["first_object"], row["second_object"]} == set(DIAGNOSTIC[row["scene"]])
        assert set(row["decided_by"].split("; ")) == set(DIAGNOSTIC[row["scene"]])
    results = emerged.results()
    right = results.row("data", "deciding_scenes")
    assert right.value == 1
    assert right.ci95 is not None
    assert right.ci95[0] > 0.9
    kinds = {name for names in DIAGNOSTIC.values() for name in names}
    objects = [row["object"] for row in table(emerged, "objects.csv")]
    decides = np.array([name in kinds for name in objects])
    assert results.row("data", "deciding_objects").value == pytest.approx(decides.mean())
    columns = {
        "frequency": "instances",
        "informativeness": "times_most_informative",
        "gain": "gain",
    }
    for method, column in columns.items():
        values = [float(row[column]) for row in table(emerged, "objects.csv")]
        assert results.row(method, "deciding_roc").value == pytest.approx(roc_auc_score(decides, values))
    assert results.row("gain", "deciding_roc").value == 1
    assert results.row("informativeness", "deciding_roc").value < 0.9
    of_units = [int(row["units of conv5"]) for row in table(emerged, "objects.csv")]
    area = results.row("units", "deciding_roc", "conv5").value
    assert area == pytest.approx(roc_auc_score(decides, of_units))


def test_rows_are_the_correlations_of_the_tables(emerged: Run) -> None:
    objects, units = table(emerged, "objects.csv"), table(emerged, "units.csv")
    counts = np.array([sum(u["counts"] == "true" and u["object"] == o["object"] for u in units) for o in objects])
    np.testing.assert_array_equal(counts, [int(each["units of conv5"]) for each in objects])
    frequency = np.array([int(each["instances"]) for each in objects])
    times_best = np.array([float(each["times_most_informative"]) for each in objects])
    arrays = emerged.examples()
    gain = arrays["precision"].mean(axis=0, dtype=float) - arrays["chance"].mean(dtype=float)
    gain = gain.round(6)  # objects that are alike are so in 32 bits, too
    np.testing.assert_allclose([float(each["gain"]) for each in objects], gain, atol=1e-5)
    assert (np.diff(frequency) <= 0).all()
    assert times_best.sum() == len(DIAGNOSTIC)
    results = emerged.results()
    for metric, by, first in (
        ("pearson", pearsonr, None),
        ("pearson@20", pearsonr, 20),
        ("spearman@20", spearmanr, 20),
    ):
        for method, values in (("frequency", frequency), ("informativeness", times_best), ("gain", gain)):
            row = results.row(method, metric, "conv5")
            assert row.value == pytest.approx(by(counts[:first], values[:first]).statistic, abs=1e-5)
            assert row.ci95 is not None
            assert row.ci95[0] < row.value < row.ci95[1]
    assert results.row("units", "units", "conv5").value == counts.sum() > 0
    assert results.row("units", "objects", "conv5").value == (counts > 0).sum()
    alone = [row for row in results.sweep if row.subset == "conv5: over pictures" and row.metric == "pearson"]
    assert {row.method for row in alone} == {row.method for row in results.rows if row.metric == "pearson"}


def test_frequencies_are_those_of_the_pictures(emerged: Run) -> None:
    data = open_dataset("synthetic:scenes,n=300,seed=4")
    for row in table(emerged, "objects.csv")[::7]:
        there = [sum(each.name == row["object"] for each in example.objects) for example in data]
        assert int(row["instances"]) == sum(there)
        assert int(row["pictures"]) == np.count_nonzero(there)


def test_a_run_shows_its_units_though_measured_on_other_pictures(emerged: Run) -> None:
    arrays = emerged.examples()
    assert len(arrays["shown_units"])
    assert arrays["shown_masks"].any(axis=(2, 3)).mean() > 0.9
    names = {path.name for path in emerged.figures_folder.iterdir()}
    assert names == {"objects-emerge.png", "relations-emerge.png", "units-conv5-emerge.png"}
    assert emerged.report_path.is_file()


def test_units_of_pictures_that_are_gone_are_told_and_left_out(dissection: Path) -> None:
    data = open_dataset(SPEC)
    gone = Dataset("memory:other", tuple(replace(each, id=f"other-{each.id}") for each in data))
    labels = read_labels(Run(dissection))
    assert labels.dissection is not None
    results = labels.dissection.results
    moved = replace(results, data={"test": {**results.data["test"], "spec": "folder:nowhere"}})
    from vestige.units.emerge.measure import measure_emerge
    from vestige.units.emerge.task import EmergeOptions

    there = replace(labels, dissection=replace(labels.dissection, results=moved))
    found = measure_emerge(session(), (there, gone), EmergeOptions(least=4, folds=3))
    assert "shown_units" not in found.arrays
    assert any("nowhere" in note for note in found.notes)


def test_words_that_mean_nothing_are_told_and_a_file_says_what_they_mean(dissection: Path, tmp_path: Path) -> None:
    data = open_dataset(SPEC)
    renamed = Dataset(
        "memory:renamed",
        tuple(
            replace(
                each,
                objects=tuple(
                    replace(one, name={"pine": "conifer", "barn": "barns"}.get(one.name, one.name))
                    for one in each.objects
                ),
            )
            for each in data
        ),
    )
    options = {"layers": ["conv4", "conv5"], "least": 4, "folds": 3, "least_iou": 0.0, "session": session()}
    found = measure("emerge", dissection, renamed, **options)
    rows = {row["word"]: row for row in csv.DictReader(io.StringIO(found.texts["words.csv"], newline=""))}
    assert rows["barn"]["object"] == "barns"
    assert rows["barn"]["by"] == "plural"
    assert rows["pine"]["object"] == ""
    assert any("pine" in note and "words.csv" in note for note in found.notes)
    file = tmp_path / "words.csv"
    file.write_text("word,object\npine,conifer\n")
    corrected = measure("emerge", dissection, renamed, words=file, **options)
    plain_run = measure("emerge", dissection, data, **options)
    for row, same in zip(corrected.rows, plain_run.rows, strict=False):
        if row.metric != "zipf" and not row.metric.startswith("deciding"):
            assert row.value == pytest.approx(same.value), row
    assert found.save(tmp_path / "run").report_path.is_file()


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two people on four units, as a file."""
    said = [
        *((0, "ann", "pines", "object", 1.0), (0, "bob", "Pine", "object", 0.8)),
        *((1, "ann", "barn", "object", 0.6), (1, "bob", "spaceship", "scene", 1.0)),
        *((2, "ann", "spaceship", "object", 0.9), (2, "bob", "alien", "object", 0.7)),
        *((3, "ann", "cow", "object", 0.3), (3, "bob", "cows", "object", 0.4)),
    ]
    file = tmp_path_factory.mktemp("answers") / "answers.json"
    write_answers(
        file,
        [
            Answer("conv5", unit, who, concept, group, (), (), (), 1, True, None, "", precision)
            for unit, who, concept, group, precision in said
        ],
    )
    return file


def test_units_that_people_named_count_for_what_they_mean(answers: Path, tmp_path: Path) -> None:
    run = measure("annotations", imported=answers).save(tmp_path / "people").folder
    found = measure("emerge", run, SPEC, least=4, folds=3, session=session())
    rows = {row["unit"]: row for row in csv.DictReader(io.StringIO(found.texts["units.csv"], newline=""))}
    assert [(rows[k]["object"], rows[k]["counts"]) for k in "0123"] == [
        ("pine", "true"),
        ("barn", "false"),
        ("", "false"),
        ("cow", "true"),
    ]
    assert float(rows["0"]["score"]) == pytest.approx(0.9)
    words = {row["word"]: row for row in csv.DictReader(io.StringIO(found.texts["words.csv"], newline=""))}
    assert (words["spaceship"]["object"], words["spaceship"]["units"]) == ("", "1")
    assert any("alien" in note and "spaceship" in note for note in found.notes)
    assert found.save(tmp_path / "emerge").report_path.is_file()
    strict = measure("emerge", run, SPEC, least=4, folds=3, least_precision=0.5, session=session())
    assert next(row.value for row in strict.rows if row.metric == "units") == 1
    with pytest.raises(VestigeError, match="groups"):
        measure("emerge", run, SPEC, least=4, groups=["thing"], session=session())
    with pytest.raises(VestigeError, match="dissect"):
        measure("emerge", run, SPEC, labels="masks", session=session())


def test_what_people_said_of_a_dissection_is_taken_out_of_its_store(
    dissection: Path, answers: Path, tmp_path: Path
) -> None:
    own = tmp_path / "units"
    shutil.copytree(dissection, own)
    take_in(answers_of_file(answers, own))
    found = measure("emerge", own, SPEC, least=4, folds=3, labels="people", session=session())
    assert next(row.value for row in found.rows if row.metric == "units") == 2
    assert sorted(found.arrays["shown_units"].tolist()) == [0, 3]
    masks = measure("emerge", own, SPEC, least=4, folds=3, session=session())
    assert masks.config["source"] == "masks"


def test_what_cannot_be_measured_is_refused(dissection: Path, emerged: Run, tmp_path: Path) -> None:
    data = open_dataset(SPEC)
    bare = Dataset("memory:bare", tuple(replace(each, objects=()) for each in data))
    lone = Dataset("memory:lone", tuple(replace(each, scene="beach") for each in data))
    missing = tmp_path / "missing.csv"
    for run, pictures_, options, told in (
        (emerged.folder, data, {}, "is a run of emerge"),
        (dissection, bare, {}, "memory:bare"),
        (dissection, lone, {}, "memory:lone: 1 scene"),
        (dissection, data, {"least": 40}, "least"),
        (dissection, data, {"layers": ["pool9"]}, "pool9"),
        (dissection, data, {"groups": ["object"]}, "groups"),
        (dissection, data, {"words": missing}, "missing.csv"),
        (dissection, data, {"backbone": "object_cnn"}, "object_cnn"),
    ):
        with pytest.raises(VestigeError, match=told):
            measure("emerge", run, pictures_, **{"least": 4, "folds": 3, "session": session(), **options})
