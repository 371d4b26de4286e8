"""Answers measured: precision, groups and agreement by layer, beside the labels by masks, for one run or several."""

import csv
import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from scipy.stats import spearmanr

import vestige
from vestige.contract.plan import plan_of
from vestige.contract.session import Session
from vestige.errors import VestigeError
from vestige.features.reader import Reader
from vestige.pages import report_page
from vestige.progress import print_nothing
from vestige.report.blocks import Chart, Gallery, Table
from vestige.run import Run
from vestige.units.annotate.serving import site_of, store_of
from vestige.units.annotate.tiles import shown_of, tiles_of
from vestige.units.annotations.answers import GROUPS, RELEASE_GROUPS, Answer
from vestige.units.annotations.files import write_answers
from vestige.units.annotations.run import read_annotations
from vestige.units.annotations.task import ANNOTATIONS, AnnotationOptions, Answered
from vestige.units.dissect.run import read_dissection

LAYER = "conv5"


def quiet():
    return Session(Reader(), print_nothing)


@pytest.fixture(scope="module")
def dissected(tmp_path_factory):
    """A dissection of drawn scenes."""
    options = {"backbone": "scene_cnn", "layers": [LAYER], "chance": ["shuffled"], "least": 2}
    found = vestige.measure("dissect", "synthetic:scenes,n=24,seed=3", session=quiet(), **options)
    return found.save(tmp_path_factory.mktemp("runs") / "units").folder


@pytest.fixture(scope="module")
def answers(dissected):
    """Two people on eight units, one of them on two more; the second says the label by masks, and fails once."""
    run, draw, found = read_dissection(Run(dissected)), np.random.default_rng(5), []
    for unit in range(10):
        own = run.of(LAYER, "top_rows")[unit].tolist()
        planted = run.of(LAYER, "negatives")[unit].tolist()
        own = [row for row in own if row not in planted][:20]
        for name in ("ada", "bob") if unit < 8 else ("ada",):
            misfits = draw.choice(own, draw.integers(0, 9), replace=False).tolist()
            failed = name == "bob" and unit == 7
            word = f"{run.object_of(LAYER, unit)}s" if name == "bob" else f"thing {unit % 3}"
            found.append(
                Answer(
                    layer=LAYER,
                    unit=unit,
                    annotator=name,
                    concept=word.upper(),
                    group="object" if name == "bob" else GROUPS[unit % 6],
                    shown=(*own, *planted),
                    planted=tuple(planted),
                    marked=tuple(misfits if failed else [*misfits, *planted]),
                    tries=3 if failed else 1,
                    passed=not failed,
                    seconds=10.0 + unit,
                    at="2030-01-31T12:00:00+00:00",
                )
            )
    return tuple(found)


@pytest.fixture(scope="module")
def stored(dissected, answers):
    """The dissection with the answers in its store."""
    store = store_of(Run(dissected))
    store.add(answers)
    site_of(Run(dissected), store, quiet(), units=[f"{LAYER}:0-4"])
    return dissected


@pytest.fixture(scope="module")
def run(stored, tmp_path_factory):
    found = vestige.measure("annotations", session=quiet(), run=str(stored))
    return found.save(tmp_path_factory.mktemp("runs") / "people")


def value(run, metric, method="people", layer=LAYER):
    return run.results().row(method, metric, layer).value


def test_numbers_are_those_of_counting(run, answers):
    passed = [each for each in answers if each.passed]
    units = {u: [a for a in passed if a.unit == u] for u in range(10)}
    precision = [np.mean([a.precision for a in said]) for said in units.values()]
    row = run.results().row("people", "precision", LAYER)
    assert row.value == pytest.approx(np.mean(precision))
    assert row.n == 10
    assert row.ci95[0] < row.value < row.ci95[1]
    for group in GROUPS:
        shares = [np.mean([a.group == group for a in said]) for said in units.values()]
        assert value(run, f"units@{group}") == pytest.approx(sum(shares))
        majority = sum(sum(a.group == group for a in said) * 2 > len(said) for said in units.values())
        assert value(run, f"majority@{group}") == majority
    assert sum(value(run, f"units@{group}") for group in GROUPS) == pytest.approx(10)
    assert value(run, "failed") == pytest.approx(1 / len(answers))
    assert value(run, "equal_words") == 0


def test_peoples_words_stand_beside_labels_by_masks(run, stored):
    masks = read_dissection(Run(stored))
    labels = [masks.object_of(LAYER, unit) for unit in range(10)]
    assert value(run, "same_as_masks") == pytest.approx(np.mean([0.5] * 7 + [0] * 3))
    others = [np.mean([labels[u] == labels[v] for v in range(10) if v != u]) / 2 for u in range(7)]
    assert value(run, "same_as_masks", "exchanged") == pytest.approx(sum(others) / 10)
    assert value(run, "detectors", "masks") == masks.of(LAYER, "detector")[:10].sum()
    read = read_annotations(run)
    precision = [unit.precision for unit in read.units]
    expected = spearmanr(precision, masks.of(LAYER, "iou")[:10]).statistic
    assert value(run, "precision_iou") == pytest.approx(expected)
    assert read.arrays["objects"].tolist() == labels


def test_a_run_of_answers_is_read_back(run, answers):
    read = read_annotations(run)
    assert {(a.unit, a.annotator): a for a in read.answers} == {(a.unit, a.annotator): a for a in answers}
    assert [unit.unit for unit in read.units] == list(range(10))
    assert read.layers == (LAYER,)
    assert [len(unit.answers) for unit in read.units] == [2] * 7 + [1] * 3
    table = list(csv.DictReader((run.folder / "units.csv").read_text().splitlines()))
    assert [int(line["unit"]) for line in table] == list(range(10))
    assert all(line["object_by_masks"] and line["detector"] in ("true", "false") for line in table)


def test_examples_have_their_strongest_pictures_as_people_saw_them(run, stored):
    read, masks = read_annotations(run), read_dissection(Run(stored))
    rows, pictures = read.arrays["examples"], read.arrays["example_pictures"]
    assert 0 < len(rows) <= 5
    for row, own in zip(rows, pictures, strict=True):
        unit = read.units[row].unit
        shown = shown_of(masks, LAYER, unit)
        first = next(r for r in masks.of(LAYER, "top_rows")[unit].tolist() if r not in shown.planted)
        jpeg = tiles_of(stored).tile(LAYER, unit, shown.shown.index(first))
        with Image.open(io.BytesIO(jpeg)) as tile:
            expected = np.asarray(tile.resize((128, 128)), np.float64)
        assert np.abs(own[0] - expected).mean() < 2


def test_a_unit_goes_by_the_words_that_most_gave_then_by_the_most_precise():
    from vestige.units.annotations.said import UnitSaid

    base = {"layer": "a", "unit": 0, "shown": (), "planted": (), "marked": (), "tries": 1, "passed": True}
    base |= {"seconds": None, "at": ""}
    said = [("lamp", "object", 0.2), ("Light", "object", 0.9), ("Lamp!", "scene", 0.4)]
    unit = UnitSaid("a", 0, tuple(Answer(**base, annotator=c, concept=c, group=g, stated=p) for c, g, p in said))
    assert (unit.concept, unit.group, unit.precision) == ("Lamp!", "object", pytest.approx(0.5))
    assert unit.equal_words == pytest.approx(1 / 3)
    split = replace(unit, answers=unit.answers[1:])
    assert (split.concept, split.group) == ("Light", "")


def test_the_page_is_as_agreed_on(run, agreed):
    agreed("annotations", run)


def test_the_page_has_each_part_and_several_runs_side_by_side(run, tmp_path):
    page = report_page([run])
    anchors = [section.anchor for section in page.sections]
    assert anchors[:6] == ["precision", "groups", "examples", "agreement", "masks", "units"]
    names = {block.name for block in page.figures() if isinstance(block, Chart | Gallery)}
    assert {"precision", "groups", "levels", f"examples-{LAYER}-people"} <= names
    other = vestige.measure("annotations", session=quiet(), imported=str(release_table(tmp_path / "release.csv")))
    both = report_page([run, other.save(tmp_path / "release")])
    charts = {block.name for block in both.figures() if isinstance(block, Chart)}
    assert {"groups", "release-groups"} <= charts
    assert [opening.name for opening in both.openings] == ["people", "release"]
    tables = [b for s in both.sections for b in s.blocks if isinstance(b, Table)]
    assert sum("groups of the release, which are not the paper’s" in table.caption for table in tables) == 1


def test_a_layer_whose_answers_all_failed_has_no_precision(answers, tmp_path):
    failed = next(each for each in answers if not each.passed)
    write_answers(tmp_path / "some.json", [*answers, replace(failed, layer="pool1")])
    found = vestige.measure("annotations", session=quiet(), imported=str(tmp_path / "some.json"))
    rows = {(row.metric, row.subset): row.value for row in found.rows}
    assert rows["failed", "pool1"] == 1
    assert rows["units", "pool1"] == 0
    assert ("precision", "pool1") not in rows
    assert report_page([found.save(tmp_path / "run")]).openings
    write_answers(tmp_path / "none.json", [failed])
    with pytest.raises(VestigeError, match="every answer failed"):
        vestige.measure("annotations", session=quiet(), imported=str(tmp_path / "none.json"))


def release_table(path):
    lines = [
        f"{layer},{unit},worker {k},words {k},{RELEASE_GROUPS[(unit + k) % 2]},{(unit + k + 50) / 57:.6f}"
        for layer in ("pool1", "pool5")
        for unit in range(4)
        for k in range(3)
    ]
    path.write_text("\n".join(["layer,unit,annotator,concept,group,precision", *lines]) + "\n")
    return path


def test_answers_from_a_file_need_no_dissection(tmp_path):
    found = vestige.measure("annotations", session=quiet(), imported=str(release_table(tmp_path / "release.csv")))
    rows = {(row.metric, row.subset): row for row in found.rows}
    expected = np.mean([(u + k + 50) / 57 for u in range(4) for k in range(3)])
    assert rows["precision", "pool5"].value == pytest.approx(expected, abs=1e-6)
    assert rows["majority@scene (release)", "pool5"].value == 2
    assert rows["majority@object (release)", "pool5"].value == 2
    assert not {metric.partition("@")[2] for metric, _ in rows} & set(GROUPS)
    assert ("failed", "pool5") not in rows
    assert any("141" in note for note in found.notes)
    assert plan_of(ANNOTATIONS, Reader(), Answered(imported=tmp_path / "release.csv").open(), [AnnotationOptions()])


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"layer": "conv9"}, "no such layer"),
        ({"unit": 5000}, "no such unit"),
        ({"shown": (0, 1), "planted": (), "marked": ()}, "another dissection"),
    ],
)
def test_answers_about_another_network_are_refused(dissected, answers, tmp_path, changed, named):
    odd = replace(answers[0], **changed)
    if named == "another dissection":
        own = set(read_dissection(Run(dissected)).of(LAYER, "top_rows")[0].tolist())
        if {0, 1} <= own:
            odd = replace(odd, shown=(10**6,))
    write_answers(tmp_path / "odd.json", [odd])
    with pytest.raises(VestigeError, match=named):
        vestige.measure("annotations", session=quiet(), run=str(dissected), imported=str(tmp_path / "odd.json"))
