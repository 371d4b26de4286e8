"""The registry of tasks: what each names can be imported, and what each asks makes a command."""

import shlex
from dataclasses import fields

import pytest

from vestige.cli.commands import command_of
from vestige.contract.task import named
from vestige.errors import VestigeError
from vestige.extraction import ExtractOptions
from vestige.tasks import TASKS, task_named, task_names


@pytest.mark.parametrize("name", TASKS)
def test_a_task_is_whole(name):
    task = task_named(name)
    assert task.name == name
    assert task.question.endswith((".", "?"))
    for place in (task.measured_by, task.paged_by, *([task.loaded_by] if task.loaded_by else [])):
        assert callable(named(place))
    words = shlex.split(task.example.splitlines()[-1])
    assert words[: 3 if task.group else 2] == ["vestige", *([task.group] if task.group else []), task.command]


@pytest.mark.parametrize("name", TASKS)
def test_its_options_have_help_and_one_meaning_a_name(name):
    task = task_named(name)
    kinds = (task.data, *task.options, ExtractOptions)
    described = {}
    for kind in kinds:
        for each in fields(kind):
            if "option" in each.metadata:
                about = each.metadata["option"]
                assert about.help
                assert described.setdefault(each.name, about.help) == about.help
    command = command_of(print, kinds, task.question, task.without)
    if not {each.name for each in fields(ExtractOptions)} <= task.without:  # a task that opens no network
        assert command.__signature__.parameters.keys() & {"backbone", "backbones"}


def test_a_command_of_another_name_leads_to_its_task():
    with pytest.raises(VestigeError, match="'unit-segments'"):
        task_named("segment")


def test_what_is_no_task_is_refused_with_what_is_like_it():
    assert set(TASKS) <= set(task_names())
    with pytest.raises(VestigeError, match="landmarks"):
        task_named("landmark")
