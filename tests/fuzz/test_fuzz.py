"""Whatever happens to a file, it is read or refused: soon, quietly, in little memory, and by no other error."""

from __future__ import annotations

from pathlib import Path

import pytest
from damage import data, pictures, runs, stored, texts
from damage.guard import Kind, run_kind

KINDS = [*pictures.KINDS, *data.KINDS, *stored.KINDS, *runs.KINDS, *texts.KINDS]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name.replace(" ", "-"))
def test_nothing_but_a_vestige_error_comes_out(
    kind: Kind, tmp_path: Path, fuzz: int, record_property, capfd: pytest.CaptureFixture[str]
) -> None:
    tally = run_kind(kind, tmp_path, kind.cases * fuzz)
    record_property("tally", str(tally).partition("\n")[0])
    assert not tally.failures, str(tally)
    assert capfd.readouterr() == ("", "")
