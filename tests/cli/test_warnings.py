"""No warning of a library that vestige uses reaches the user, and pages of good runs are drawn without a mishap."""

from __future__ import annotations

import pytest

from vestige.contract import pages

FACES = ("synthetic:faces,n=20,size=64,seed=1", "--test", "synthetic:faces,n=8,size=64,seed=2")
COMMANDS = {
    "directions": (
        "directions",
        *FACES,
        "--attribute",
        "glasses",
        "--layer",
        "block1",
        "--size",
        "8",
        "--reencode",
        "0",
    ),
    "pixels": ("probe", "pixels", *FACES, "--layer", "block1", "--size", "8", "--untrained", "0"),
    "landmarks": ("probe", "landmarks", *FACES, "--layer", "block1", "--readout", "grid:2", "--untrained", "0"),
}


@pytest.mark.filterwarnings("error::RuntimeWarning", "error::UserWarning")
@pytest.mark.parametrize("command", COMMANDS)
def test_a_run_and_its_page_give_no_warning_and_hide_no_error(vestige, tmp_path, monkeypatch, command):
    monkeypatch.setattr(pages, "_MISFITS", ())
    _, said = vestige(*COMMANDS[command], "-o", tmp_path / "run")
    assert "Warning" not in said
    assert (tmp_path / "run" / "report.html").is_file()
