"""Steps and counts as lines."""

import pytest

import vestige
from vestige.contract.session import Session
from vestige.features.reader import Reader
from vestige.probes.landmarks.measure import probe_landmarks
from vestige.progress import EVERY, Lines, print_nothing


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def told():
    """Lines that are kept, with their clock."""
    clock, kept = Clock(), []
    return Lines(kept.append, clock), clock, kept


def test_a_count_is_told_at_intervals_and_at_its_end(told):
    lines, clock, kept = told
    lines.say("reading")
    for done in range(0, 101, 2):
        clock.now = done / 2
        lines.count("pictures", done, 100)
    numbers = [line.split() for line in kept[1:]]
    assert kept[0] == "· reading"
    assert [words[0] for words in numbers] == ["20", "40", "60", "80", "100"]
    assert [words[-3] for words in numbers[:-1]] == ["40.0", "30.0", "20.0", "10.0"]  # seconds left, at 2 a second
    assert numbers[-1][-2:] == ["50.0", "s"]
    assert EVERY == 10


def test_long_times_are_in_minutes(told):
    lines, clock, kept = told
    lines.count("fits", 0, 1000)
    clock.now = 2.0
    lines.count("fits", 2, 1000)
    clock.now = 10.0
    lines.count("fits", 10, 1000)
    assert kept == ["  10 of 1,000 fits, about 0:16:30 left"]


def test_what_begins_but_once_is_not_in_the_pace(told):
    lines, clock, kept = told
    lines.count("pieces", 0, 100)
    clock.now = 60.0  # a network is opened, functions are compiled
    lines.count("pieces", 1, 100)
    clock.now = 71.0
    lines.count("pieces", 12, 100)
    assert kept == ["  1 of 100 pieces", "  12 of 100 pieces, about 0:01:28 left"]


def test_what_was_there_before_is_no_work(told):
    lines, clock, kept = told
    lines.count("pictures", 100, 100)  # all of it stored
    lines.count("fits", 1, 1)
    lines.count("pictures", 512, 1024)  # half of it stored
    clock.now = 10.0
    lines.count("pictures", 512, 1024)
    clock.now = 16.0
    lines.count("pictures", 1024, 1024)
    assert kept == ["  1,024 pictures done in 16.0 s"]


def test_what_is_left_goes_at_the_pace_of_late(told):
    lines, clock, kept = told
    lines.count("pictures", 0, 1000)
    for second in range(1, 81):
        clock.now = float(second)
        lines.count("pictures", 500 + second, 1000)  # a killed run had done 500, which take no time
    assert [line.split()[-2:] for line in kept[3:]] == [
        ["0:07:40", "left"],
        *[[f"0:07:{n}0", "left"] for n in (3, 2, 1)],
        ["0:07:00", "left"],
    ]


def test_another_count_begins_anew(told):
    lines, clock, kept = told
    lines.count("pictures", 0, 9)
    clock.now = 9.0
    lines.count("pictures", 8, 9)
    lines.count("fits", 1, 3)
    clock.now = 11.0
    lines.count("fits", 3, 3)
    assert kept == ["  3 fits done in 2.0 s"]


def test_python_is_told_on_standard_error_unless_it_listens_itself(capsys):
    session = Session.on_stderr()
    session.say("a step")
    session.reader.count("pictures", 0, 2)
    session.counting("pictures")(2, 2)
    out, err = capsys.readouterr()
    assert (out, err.splitlines()[0], len(err.splitlines())) == ("", "· a step", 2)
    Session(Reader(), print_nothing).counting("pictures")(2, 2)
    assert capsys.readouterr() == ("", "")


def test_pictures_and_fits_are_counted():
    told = []
    train, test = vestige.open_train_test("synthetic:faces,n=12,seed=1,size=64", "synthetic:faces,n=4,seed=2,size=64")
    options = vestige.LandmarkOptions(layers=("block9", "head"), untrained_seeds=0, look_backs=0)
    reader = Reader(progress=lambda *each: told.append(each))
    probe_landmarks(train, test, options, Session(reader, print_nothing))
    assert [each for each in told if each[0] == "fits"] == [("fits", 1, 1), ("fits", 1, 2), ("fits", 2, 2)]
    assert ("pictures", 24, 24) in told  # with mirrored copies
