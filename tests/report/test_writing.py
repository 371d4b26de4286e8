"""The page is one self-contained, accessible file that comes from the run folder alone."""

from __future__ import annotations

import base64
import io
import json
import shutil
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vestige.errors import VestigeError
from vestige.pages import write_figures, write_report
from vestige.report.provenance import command
from vestige.results import Results, Row
from vestige.run import Run, start_run

Make = Callable[..., Run]
BARE = {"n_pictures": 0, "swept": False, "methods": {"ridge": 0.08}}
VOID = {"meta", "img", "source", "br", "link", "input", "hr"}


class Outline(HTMLParser):
    """The tags of a page with their attributes, its text, and whether every tag is closed in turn."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def outline(path: Path) -> Outline:
    return Outline(path.read_text(encoding="utf-8"))


def test_page_is_self_contained_and_well_formed(reported_run: Run) -> None:
    run = reported_run
    page = outline(run.report_path)
    assert page.open == []
    assert not page.all("script")
    assert not page.all("link")
    sources = [a["src"] for a in page.all("img")] + [a["srcset"] for a in page.all("source")]
    assert len(sources) >= 3 * 2 + 4
    for source in sources:
        assert source is not None
        kind, _, content = source.partition(";base64,")
        decoded = base64.b64decode(content, validate=True)
        if kind == "data:image/svg+xml":
            assert ElementTree.fromstring(decoded).tag.endswith("svg")
        else:
            assert kind == "data:image/jpeg"
            Image.open(io.BytesIO(decoded)).verify()
    html = run.report_path.read_text(encoding="utf-8")
    assert "://" not in html
    assert "url(" not in html
    assert str(run.folder.parent) not in html


def test_page_is_accessible(reported_run: Run) -> None:
    run = reported_run
    page = outline(run.report_path)
    assert all(a.get("alt") for a in page.all("img"))
    assert all(a.get("scope") in ("col", "row", "rowgroup") for a in page.all("th"))
    assert len(page.all("caption")) == len(page.all("table")) == 3
    scrolled = [a for a in page.all("div") if a.get("class") in ("scroll", "chart")]
    assert len(scrolled) == len(page.all("table")) + len(page.all("picture"))
    assert all((a["tabindex"], a["role"]) == ("0", "region") and a["aria-label"] for a in scrolled)
    assert len([a for a in page.all("p") if a.get("class") == "wider"]) == len(page.all("picture"))
    assert len(page.all("h1")) == 1
    assert page.all("html")[0]["lang"] == "en-GB"
    anchors = {a["id"] for a in page.all("h2")}
    assert {f"#{anchor}" for anchor in anchors} == {a["href"] for a in page.all("a")}


def test_page_says_the_numbers_and_where_they_come_from(reported_run: Run) -> None:
    run = reported_run
    text = outline(run.report_path).text
    for method in ("mean", "rgb", "untrained", "ridge", "look-back"):
        assert f"{run.results().row(method, 'nme_inter_ocular').value:.3f}" in text
    for words in (
        "Published, on Helen (194 points)",
        "0.501",
        "sha256:" + "ab" * 32,
        "dual form; 10 alphas, 0.001 to 0.01; 0.0 % of the targets at the edge",
        "12 min 34 s",
        "vestige probe landmarks 300w:data/helen/trainset --test 300w:data/helen/testset --backbone efficientnet_lite0",
        "nothing was left out",
    ):
        assert words in text


def test_same_run_gives_the_same_bytes_from_anywhere(landmark_run: Make, tmp_path: Path) -> None:
    run = landmark_run(n_pictures=1)
    write_report([run], run.report_path)
    first = run.report_path.read_bytes()
    moved = tmp_path / "elsewhere" / "faces"
    shutil.copytree(run.folder, moved)
    shutil.rmtree(run.folder)
    write_report([Run(moved)], tmp_path / "new" / "page.html")
    assert (tmp_path / "new" / "page.html").read_bytes() == first


def test_names_from_data_are_escaped(landmark_run: Make) -> None:
    run = landmark_run(n_pictures=1, test='300w:<b onclick="x">', notes=("a <script>alert(1)</script> note",))
    arrays = run.examples()
    run.write_examples({**arrays, "ids": np.array([f"<i>{k}</i>" for k in range(40)])})
    write_report([run], run.report_path)
    page = outline(run.report_path)
    assert not page.all("script")
    assert not page.all("i")
    assert not page.all("b")
    assert "a <script>alert(1)</script> note" in page.text


def test_problems_with_the_data_are_shown(landmark_run: Make) -> None:
    data = {
        "train": {"spec": "300w:a", "fingerprint": "sha256:1", "n": 9, "skipped": 1, "problems": ["b.pts: line 3: x"]},
        "test": {"spec": "300w:c", "fingerprint": "sha256:2", "n": 40, "skipped": 2},
    }
    run = landmark_run(**BARE, data=data)
    write_report([run], run.report_path)
    text = outline(run.report_path).text
    assert "b.pts: line 3: x" in text
    assert "nothing was left out" not in text


def test_command_is_the_runs_own_where_it_is_known(landmark_run: Make) -> None:
    run = landmark_run(
        **BARE, config={"metric": "nme_inter_ocular", "command": ["vestige", "demo", "-o", "my runs/demo"]}
    )
    write_report([run], run.report_path)
    assert "vestige demo -o 'my runs/demo'" in outline(run.report_path).text


def test_several_runs_side_by_side(landmark_run: Make, tmp_path: Path) -> None:
    runs = [
        landmark_run(name="first", n_pictures=1),
        landmark_run(name="second", n_pictures=1, seed=1, methods={"mean": 0.25, "ridge": 0.09}),
    ]
    write_report(runs, tmp_path / "both.html")
    page = outline(tmp_path / "both.html")
    assert page.open == []
    assert "2 runs" in page.text
    assert page.text.count("STASM") == 1


def test_smallest_run(landmark_run: Make) -> None:
    """No sweep, no pictures, no parts, one method, one face."""
    config = {"metric": "nme_box", "markup": {"name": "unknown-68", "points": [], "parts": {}}}
    run = landmark_run(n=1, n_pictures=0, methods={"ridge": 0.1}, metric="nme_box", swept=False, config=config)
    write_report([run], run.report_path)
    write_figures(run)
    assert "face box" in outline(run.report_path).text
    assert [path.name for path in run.figures_folder.iterdir()] == ["cumulative-error.png"]


def test_example_without_a_visible_point(landmark_run: Make) -> None:
    run = landmark_run()
    arrays = run.examples()
    row = int(arrays["picture_rows"][0])
    arrays["visible"][row] = False
    for name in [name for name in arrays if name.startswith("error/")]:
        arrays[name][row] = np.nan
    run.write_examples(arrays)
    write_report([run], run.report_path)
    assert "nan" not in outline(run.report_path).text.lower().split()


def test_figures_are_saved(reported_run: Run) -> None:
    run = reported_run
    sizes = {path.name: Image.open(path).size for path in run.figures_folder.iterdir()}
    assert set(sizes) == {
        "error-by-part.png",
        "cumulative-error.png",
        "error-against-layer.png",
        "triplets.png",
        "worst.png",
    }
    assert {width for width, _ in sizes.values()} == {500}


def test_task_without_charts_of_its_own(tmp_path: Path) -> None:
    run = start_run(tmp_path / "sounds")
    rows = (Row("mean", "mae", "all", 0.2, (0.19, 0.21), 5), Row("ridge", "mae", "sky", 0.125, None, 5))
    run.write_results(Results("sounds", {}, {}, {"spec": "efficientnet_lite0"}, {}, rows))
    write_report([run], run.report_path)
    text = outline(run.report_path).text
    assert "efficientnet_lite0" in text
    assert "0.1250" in text


def test_mistakes(landmark_run: Make, tmp_path: Path) -> None:
    with pytest.raises(VestigeError, match="no run"):
        write_report([], tmp_path / "x.html")
    with pytest.raises(VestigeError, match="nothing: "):
        write_report([Run(tmp_path / "nothing")], tmp_path / "x.html")
    run, other = landmark_run(**BARE), start_run(tmp_path / "other")
    other.write_results(Results("sounds", {}, {}, {}, {}, ()))
    with pytest.raises(VestigeError, match=r"\(landmarks, sounds\)"):
        write_report([run, other], tmp_path / "x.html")
    with pytest.raises(VestigeError, match=r"x\.html: "):
        write_report([run], run.results_path / "x.html")
    run.figures_folder.rmdir()
    run.figures_folder.write_text("in the way")
    with pytest.raises(VestigeError, match="figures"):
        write_figures(run)


def test_damaged_results(landmark_run: Make) -> None:
    run = landmark_run()
    document = json.loads(run.results_path.read_text())
    document["rows"] = []
    run.results_path.write_text(json.dumps(document))
    with pytest.raises(VestigeError, match="'nme_inter_ocular'"):
        write_report([run], run.report_path)


def test_command_is_put_together_from_the_options() -> None:
    data = {"train": {"spec": "300w:my faces"}, "test": {"spec": "300w:b"}}
    config = {"layers": ["block7", "block9"], "readouts": [], "mirror": False, "look_backs": 0, "seed": 3}
    made = Results("landmarks", config, data, {"spec": "timm:resnet18"}, {}, ())
    assert command(made, "out") == (
        "vestige probe landmarks '300w:my faces' --test 300w:b --backbone timm:resnet18 --layer block7 --layer block9 "
        "--no-mirror --no-look-back --seed 3 -o out"
    )
    evaluated = Results("landmarks", {**config, "evaluated_run": "runs/a"}, data, {}, {}, ())
    assert command(evaluated, "out") == "vestige evaluate runs/a 300w:b -o out"


def test_alphas_on_the_edge_are_said_at_the_head(landmark_run: Make) -> None:
    run = landmark_run(**BARE, ridge={"alphas": [0.5], "at_boundary": 0.42, "form": "primal"})
    write_report([run], run.report_path)
    text = outline(run.report_path).text
    assert "42 % of ridge" in text
    assert "primal form; alpha 0.5; 42.0 %" in text


def test_no_regularisation_is_told_from_too_narrow_a_grid(landmark_run: Make) -> None:
    alphas = [1e-11, 1e-3, 10.0]
    ridge = {"alphas": alphas, "chosen": [1e-11, 1e-11, 10.0], "at_boundary": 0.9, "form": "dual"}
    run = landmark_run(**BARE, ridge=ridge)
    write_report([run], run.report_path)
    assert "there is nothing beyond" in outline(run.report_path).text
