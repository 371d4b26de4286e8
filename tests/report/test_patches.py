import numpy as np
import pytest

from vestige.correspondence.search.field_page import expanded, field_parts
from vestige.correspondence.search.field_page import sheet as field_sheet
from vestige.correspondence.search.patch_page import error_table, patch_parts, read_search_run, sheet
from vestige.errors import VestigeError
from vestige.pages import write_figures, write_report
from vestige.report import style
from vestige.results import Results, Row
from vestige.run import start_run

VIEWS = {
    "block4": {"stride": [8, 8], "centre": [7.5, 7.5], "field": [19, 19], "patches": 90, "pictures": 3, "bytes": 7200},
    "attention": {"stride": [8, 8], "centre": [7.5, 7.5], "field": None, "patches": 80, "pictures": 3, "bytes": 6400},
}
KS = (1, 5)


def finished(folder, task, arrays, rows, views=VIEWS):
    run = start_run(folder)
    config = {"ks": list(KS), "views": views, "short_side": None, "metric": rows[0].metric}
    data = {
        role: {"spec": f"folder:{role}", "fingerprint": role, "n": rows[0].n, "skipped": 0}
        for role in ("train", "test")
    }
    data["train"]["copies"] = 2
    run.write_config(config)
    run.write_examples(arrays)
    backbone = {"spec": "efficientnet_lite0", "layer": "block4, attention"}
    run.write_results(Results(task, config, data, backbone, {}, tuple(rows)))
    return run


def patch_run(folder, pictures=3, leave_out=(), better=True):
    rng = np.random.default_rng(0)
    arrays = {
        "ids": np.array([f"{p}.png" for p in range(pictures)]),
        "regions": np.tile(np.array([4, 4, 36, 28], dtype=np.int32), (pictures, 1)),
        "kept": np.arange(pictures),
    }
    rows = []
    for p in range(pictures):
        arrays[f"picture/{p}"] = rng.integers(0, 256, (24, 32, 3), dtype=np.uint8)
    for layer in VIEWS:
        for method, level in (("neighbours", 0.1), ("uniform", 0.2 if better else 0.05)):
            metrics = ("mae", "psnr", "similarity") if method == "neighbours" else ("mae", "psnr")
            for k in KS:
                for p in range(pictures):
                    arrays[f"{method}/{layer}/{k}/{p}"] = rng.integers(0, 256, (24, 32, 3), dtype=np.uint8)
                for metric in metrics:
                    values = level + 0.01 * rng.random(pictures)
                    arrays[f"error/{method}:{layer}/{metric}@{k}"] = values
                    ci95 = (float(values.min()), float(values.max())) if pictures > 1 else None
                    rows.append(
                        Row(f"{method}:{layer}", f"{metric}@{k}", "all", float(values.mean()), ci95, pictures, layer)
                    )
    for name in leave_out:
        del arrays[name]
    return finished(folder, "patches", arrays, rows)


def field_run(folder, seeds=7):
    rng = np.random.default_rng(0)
    views = {"block4": VIEWS["block4"], "block5": {**VIEWS["block4"], "field": [30, 25]}}
    arrays = {"ids": np.array(["a.png", "b.png"]), "seed_pictures": np.arange(seeds) % 2}
    rows = []
    for layer, view in views.items():
        arrays[f"field/{layer}"] = rng.integers(0, 256, (seeds, *view["field"], 3), dtype=np.uint8)
        for k in KS:
            arrays[f"mean/{layer}/{k}"] = rng.random((seeds, *view["field"], 3)).astype(np.float16)
            rows.append(Row(f"neighbours:{layer}", f"similarity@{k}", "all", 0.8, (0.7, 0.9), seeds, layer))
            arrays[f"error/neighbours:{layer}/similarity@{k}"] = np.full(seeds, 0.8)
            for method in ("neighbours", "random"):
                for metric, level in (("middle", 0.1), ("around", 0.2)):
                    values = level + 0.01 * rng.random(seeds) if k > 1 else np.full(seeds, np.nan)
                    arrays[f"error/{method}:{layer}/{metric}@{k}"] = values
                    if k > 1:
                        ci95 = (float(values.min()), float(values.max()))
                        row = Row(f"{method}:{layer}", f"{metric}@{k}", "all", float(values.mean()), ci95, seeds, layer)
                        rows.append(row)
    return finished(folder, "fields", arrays, rows, views)


def test_a_report_of_patches_has_a_sheet_for_each_picture(tmp_path):
    run = patch_run(tmp_path / "run")
    write_figures(run)
    write_report([run], run.report_path)
    figures = {path.name for path in run.figures_folder.iterdir()}
    assert figures == {"error-by-layer-run.png", "replaced-0.png", "replaced-1.png", "replaced-2.png"}
    page = run.report_path.read_text()
    assert "attention" in page
    assert "90" in page
    (opening,), _ = patch_parts([patch_run(tmp_path / "worse", better=False)])
    assert opening.headline.startswith("In no layer, patches of other pictures come nearer")


def test_the_table_tells_neighbours_from_the_control(tmp_path):
    table = error_table(read_search_run(patch_run(tmp_path / "run"), lambda _: {}))
    assert [group.heading for group in table.groups] == ["1 neighbour", "Mean of 5 neighbours"]
    (name, _, nearest, uniform, difference, *_), *_ = table.groups[0].rows
    assert name.text == "block4"
    assert nearest.text.startswith("0.10")
    assert uniform.text.startswith("0.20")
    assert difference.text.startswith("−0.1")
    assert difference.tone == "strong"


def test_one_picture_has_no_intervals_and_no_differences(tmp_path):
    run = patch_run(tmp_path / "run", pictures=1)
    table = error_table(read_search_run(run, lambda _: {}))
    assert table.groups[0].rows[0][4].text == "–"
    assert table.groups[0].rows[0][2].small == ""
    (opening,), _ = patch_parts([run])
    assert "1 picture " in opening.detail


def test_a_sheet_has_the_pictures_in_their_places(tmp_path, monkeypatch):
    monkeypatch.setattr(style, "FIGURE_DPI", 200)
    run = patch_run(tmp_path / "run")
    arrays = run.examples()
    colours = {
        "neighbours/block4/1": 40,
        "neighbours/block4/5": 80,
        "neighbours/attention/1": 120,
        "neighbours/attention/5": 160,
        "uniform/block4/1": 200,
        "uniform/attention/1": 240,
    }
    for name, grey in colours.items():
        arrays[f"{name}/0"][:] = grey
    run.write_examples(arrays)
    pixels = sheet(read_search_run(run, lambda _: {}), 0, list(VIEWS))
    assert pixels.shape[1] == 2000
    height = pixels.shape[0]
    for column, x in (("block4", 1150), ("attention", 1700)):
        for name, y in (
            (f"neighbours/{column}/1", 0.2),
            (f"neighbours/{column}/5", 0.5),
            (f"uniform/{column}/1", 0.85),
        ):
            assert pixels[int(y * height), x].tolist() == [colours[name]] * 3


def test_a_report_of_fields_has_a_sheet_for_each_layer(tmp_path, monkeypatch):
    run = field_run(tmp_path / "run")
    write_figures(run)
    write_report([run], run.report_path)
    figures = {path.name for path in run.figures_folder.iterdir()}
    assert figures == {"agreement-run.png", "fields-block4.png", "fields-block5.png"}
    page = run.report_path.read_text()
    assert "6 of 7 seeds" in page
    read = read_search_run(run, lambda _: {})
    monkeypatch.setattr(style, "FIGURE_DPI", 200)
    pixels = field_sheet(read, "block5")
    assert pixels.shape[1] == 2000
    assert pixels.shape[0] == pytest.approx(3 * (2000 - 44 - 72) / 6 * 30 / 25 + 36, abs=3)


def test_contrast_is_expanded_alike_in_all_channels():
    mean = np.full((20, 20, 3), 0.5, dtype=np.float32)
    mean[:10, :, 0] += 0.1
    mean[10:, :, 1] -= 0.1
    mean[0, 0] = np.nan
    out = expanded(mean)
    assert out[0, 0].tolist() == [128, 128, 128]
    assert out[5, 5].tolist() == pytest.approx([255, 128, 128], abs=1)
    assert out[15, 5].tolist() == pytest.approx([128, 0, 128], abs=1)
    assert (expanded(np.full((4, 4, 3), 0.3, dtype=np.float32)) == 128).all()
    assert (expanded(np.full((4, 4, 3), np.nan, dtype=np.float32)) == 128).all()


@pytest.mark.parametrize("name", ["picture/1", "uniform/attention/5/2", "error/neighbours:block4/mae@1"])
def test_what_a_run_lacks_is_told(tmp_path, name):
    with pytest.raises(VestigeError, match=rf"no array .{name}.*overwrite=True"):
        patch_parts([patch_run(tmp_path / "run", leave_out=[name])])


def test_a_damaged_run_is_told(tmp_path):
    run = patch_run(tmp_path / "run")
    results = run.results()
    run.write_results(Results("patches", {}, results.data, results.backbone, {}, results.rows))
    with pytest.raises(VestigeError, match="is damaged"):
        patch_parts([run])
    with pytest.raises(VestigeError, match="has no array"):
        field_parts([patch_run(tmp_path / "other")])
