"""The command that asks which pictures layers prefer."""

from __future__ import annotations

import json

import pytest

SETS = [
    *("--data", "faces=synthetic:faces,n=6,seed=1,size=64"),
    *("--data", "birds=synthetic:objects,n=9,seed=1,size=48"),
]
WORDS = ["units", "prefer", *SETS, "--backbone", "rgb:8", "--layer", "all", "--top", "4"]


def test_a_plan_names_sets_networks_and_layers(vestige, tmp_path):
    document, _ = vestige(*WORDS, "--dry-run", "--json", "-o", tmp_path / "run")
    plan = json.loads(document)
    assert [(part["role"], part["n"]) for part in plan["data"]] == [("faces", 6), ("birds", 6)]
    assert plan["networks"] == ["rgb:8"]
    assert [layer["name"] for layer in plan["layers"]] == ["rgb"]
    assert not (tmp_path / "run").exists()


def test_of_three_sets_the_share_of_each_is_printed(vestige, tmp_path):
    words = [*WORDS, "--data", "things=synthetic:objects,n=6,seed=2,size=48", "--quiet", "-o", tmp_path / "run"]
    out, _ = vestige(*words)
    assert all(f"share of {name}" in out for name in ("faces", "birds", "things"))


def test_a_run_ranks_prints_and_shows(vestige, tmp_path):
    document, _ = vestige(*WORDS, "--quiet", "--json", "-o", tmp_path / "run")
    results = json.loads(document)
    shares = {row["subset"]: row["value"] for row in results["rows"]}
    assert sum(shares.values()) == pytest.approx(1)
    assert {role: told["n"] for role, told in results["data"].items()} == {"faces": 6, "birds": 6}
    assert len(results["notes"]) == 2
    assert (tmp_path / "run" / "report.html").is_file()
    out, _ = vestige(*WORDS, "--quiet", "--overwrite", "-o", tmp_path / "run")
    assert "faces" in out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--data", "synthetic:faces,n=4"], "NAME=SPEC"),
        (SETS[:2], "expected two sets or more"),
        ([*SETS[:2], *SETS[:2]], "expected two sets or more"),
        ([*SETS, "--top", "12"], "--top 12"),
        ([*SETS, "--top", "4", "--layer", "rbg"], "rbg"),
    ],
)
def test_what_cannot_be_ranked_is_refused(vestige, tmp_path, words, told):
    _, err = vestige("units", "prefer", *words, "--backbone", "rgb:8", "-o", tmp_path / "run", status=2)
    assert told in err
    assert not (tmp_path / "run").exists()
