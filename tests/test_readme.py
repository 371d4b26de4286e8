"""The README's Python runs as it is written."""

import re
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"


def test_the_python_example_runs_as_written(tmp_path, monkeypatch, capsys):
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)
    monkeypatch.chdir(tmp_path)
    for again in (False, True):  # as in a notebook; figures and pages take longest, and are drawn the second time
        with monkeypatch.context() as patch:
            if not again:
                patch.setattr("vestige.contract.pages.show", lambda run, _: run.report_path.touch())
            exec(compile(code, str(README), "exec"), {})
        said, progress = capsys.readouterr()
        assert [line.split()[0] for line in said.splitlines()[:5]] == ["mean", "rgb", "untrained", "ridge", "look-back"]
        assert len([line for line in progress.splitlines() if line.startswith("·")]) >= 4
    assert (tmp_path / "runs" / "python" / "report.html").is_file()


def test_linked_files_are_there():
    for target in re.findall(r"\]\(([^)#]+)\)", README.read_text(encoding="utf-8")):
        assert (README.parent / target).exists(), target
