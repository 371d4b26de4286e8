"""The store of people's answers, on SQLite and on a PostgreSQL that is started for the tests."""

from __future__ import annotations

import itertools
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from vestige.errors import VestigeError
from vestige.units.annotate.store import (
    TRIES,
    AlreadyDoneError,
    NotYoursError,
    Outcome,
    Person,
    Progress,
    Said,
    Shown,
    open_store,
)
from vestige.units.annotations.answers import GROUPS

_TIME_OUT = 100.0


def _binaries():
    """Where PostgreSQL is, as Debian installs it, or on the path."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    path = str(found[-1]) if found else shutil.which("initdb")
    return None if path is None else Path(path).resolve().parent


@pytest.fixture(scope="session")
def postgresql():
    """The URL of a server of the tests' own, which listens on a socket in a folder."""
    binaries = _binaries()
    if binaries is None:
        if os.environ.get("CI"):
            pytest.fail("PostgreSQL is not installed")
        pytest.skip("PostgreSQL is not installed")
    folder = Path(tempfile.mkdtemp(prefix="vestige-pg-", dir="/tmp"))  # a socket's path has 107 characters at most
    other = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
    if other:  # the server refuses to run as root
        shutil.chown(folder, "postgres", "postgres")
    quiet = {"check": True, "stdout": subprocess.DEVNULL, "cwd": "/", **other}
    data = folder / "data"
    try:
        subprocess.run([binaries / "initdb", "-D", data, "-U", "tester", "-A", "trust", "-E", "UTF8", "-N"], **quiet)
        settings = f"-c listen_addresses='' -c unix_socket_directories='{folder}' -c fsync=off"
        start = [binaries / "pg_ctl", "-D", data, "-o", settings, "-l", folder / "log", "-w", "start"]
        subprocess.run(start, **quiet)
        try:
            yield f"postgresql://tester@/NAME?host={folder}"
        finally:
            subprocess.run([binaries / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop"], **quiet)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


_databases = itertools.count()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, tmp_path):
    """A place for answers, where there are none yet."""
    if request.param == "sqlite":
        return tmp_path / "answers.sqlite"
    url, name = request.getfixturevalue("postgresql"), f"answers{next(_databases)}"
    server = url.replace("NAME", "postgres").replace("postgresql:", "postgresql+psycopg:")
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return url.replace("NAME", name)


class Clock:
    """A time that stands still until it is told to go on."""

    def __init__(self):
        self.now = 1_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def make(database):
    """``make(n, workers) -> store`` of n units, whose clock is its ``clock``; all are closed at the end."""
    opened = []

    def make(n=3, workers=1):
        store = replace(open_store(database, workers=workers, time_out=_TIME_OUT), clock=Clock())
        store.ask([unit(k) for k in range(n)])
        opened.append(store)
        return store

    yield make
    for store in opened:
        store.database.close()


def unit(k, layer="conv5"):
    rows = tuple(range(100 * k, 100 * k + 60))
    return Shown(layer, k, rows, (rows[5], rows[31], rows[59]))


RIGHT = (5, 31, 59)


def said(attempt=1, marked=RIGHT, concept="lamp", group="object", **more):
    return Said(attempt, concept, group, tuple(marked), **more)


def test_an_answer_is_kept_as_it_was_given(make):
    store = make()
    handout = store.take("Ada")
    assert handout.unit == unit(0)
    store.clock.now += 30
    assert store.submit("Ada", handout.id, said(marked=(*RIGHT, 7))) == Outcome(True, 1, True)
    (answer,) = store.answers()
    assert (answer.layer, answer.unit, answer.annotator) == ("conv5", 0, "Ada")
    assert (answer.concept, answer.group, answer.tries, answer.passed, answer.seconds) == (
        "lamp",
        "object",
        1,
        True,
        30.0,
    )
    assert (answer.shown, answer.planted, set(answer.marked)) == (unit(0).shown, (5, 31, 59), {5, 7, 31, 59})
    assert answer.precision == 56 / 57
    assert answer.at == "1970-01-12T13:47:10+00:00"


def test_planted_pictures_that_are_missed_three_times_make_it_failed_and_it_goes_to_someone_else(make):
    store = make(1)
    handout = store.take("Ada")
    for attempt in range(1, TRIES + 1):
        assert store.take("Ada").tries == attempt - 1
        outcome = store.submit("Ada", handout.id, said(attempt, (5, 31, attempt), concept=f"try {attempt}"))
        assert outcome == Outcome(False, attempt, attempt == TRIES)
        assert outcome.tries_left == TRIES - attempt
        if attempt < TRIES:
            assert store.take("Ada").last == said(attempt, sorted((5, 31, attempt)), f"try {attempt}", seconds=0.0)
    assert store.take("Ada") is None
    assert [each.concept for each in store.every_try()] == ["try 1", "try 2", "try 3"]
    (answer,) = store.answers()
    assert (answer.tries, answer.passed, answer.concept) == (3, False, "try 3")
    assert store.take("Bob").unit == unit(0)


def test_units_are_handed_out_without_collisions(make):
    store = make(12, workers=3)

    def work(name):
        units = []
        while (handout := store.take(name)) is not None:
            assert store.take(name).id == handout.id
            store.submit(name, handout.id, said())
            units.append(handout.unit.unit)
        return units

    names = [f"annotator {k}" for k in range(12)]
    with ThreadPoolExecutor(len(names)) as pool:
        done = list(pool.map(work, names))
    assert Counter(itertools.chain(*done)) == dict.fromkeys(range(12), 3)
    assert all(len(set(units)) == len(units) for units in done)
    assert len(store.answers()) == 36
    assert store.layers() == {"conv5": (12, 12, 36)}


def test_what_is_in_hand_counts_until_it_times_out(make):
    store = make(1)
    assert store.take("Ada").unit == unit(0)
    assert store.take("Bob") is None
    store.clock.now += _TIME_OUT - 1
    assert store.take("Ada") is not None  # she looks at it: it is hers for as long again
    store.clock.now += _TIME_OUT - 1
    assert store.take("Bob") is None
    store.clock.now += 2
    assert store.take("Bob").unit == unit(0)
    assert store.take("Ada") is None


def test_two_who_send_the_same_unit_at_once_are_both_kept(make):
    store = make(1)
    ada = store.take("Ada")
    store.clock.now += _TIME_OUT + 1
    bob = store.take("Bob")
    assert ada.unit == bob.unit
    with ThreadPoolExecutor(2) as pool:
        sent = [pool.submit(store.submit, name, h.id, said()) for name, h in (("Ada", ada), ("Bob", bob))]
    assert [each.result().passed for each in sent] == [True, True]
    assert [each.annotator for each in store.answers()] == ["Ada", "Bob"]


def test_the_same_try_sent_many_times_at_once_counts_once(make):
    store = make(1)
    handout = store.take("Ada")
    with ThreadPoolExecutor(8) as pool:
        sent = [pool.submit(store.submit, "Ada", handout.id, said(marked=(5,))) for _ in range(8)]
    assert {each.result() for each in sent} == {Outcome(False, 1, False)}
    assert len(store.every_try()) == 1


def test_another_window_s_try_is_refused(make):
    store = make(2)
    handout = store.take("Ada")
    store.submit("Ada", handout.id, said(marked=(5,)))
    with pytest.raises(AlreadyDoneError):
        store.submit("Ada", handout.id, said(marked=(6,)))
    assert store.submit("Ada", handout.id, said(2)).passed
    with pytest.raises(AlreadyDoneError):
        store.submit("Ada", handout.id, said(3))
    for name in ("Bob", "Ada' OR '1'='1"):
        store.take(name)
        with pytest.raises(NotYoursError):
            store.submit(name, handout.id, said())
        with pytest.raises(NotYoursError):
            store.skip(name, handout.id)
    assert len(store.every_try()) == 2


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        (said(group="part"), "group"),
        (said(concept=" "), "concept"),
        (said(marked=(60,)), "marked"),
        (said(marked=(-1,)), "marked"),
        (said(2), "attempt"),
        (said(0), "attempt"),
    ],
)
def test_what_is_no_answer_is_refused(make, bad, field):
    store = make(1)
    handout = store.take("Ada")
    with pytest.raises(VestigeError, match=field):
        store.submit("Ada", handout.id, bad)
    assert store.every_try() == ()


def test_skipped_units_go_to_others_and_come_back_when_asked_for(make):
    store = make(2)
    first = store.take("Ada")
    store.skip("Ada", first.id)
    second = store.take("Ada")
    assert second.unit != first.unit
    store.submit("Ada", second.id, said())
    assert store.take("Ada") is None
    assert store.progress("Ada") == Progress(mine=1, left=0, skipped=1, complete=1, units=2)
    assert store.take("Ada", again=True).unit == first.unit
    store.skip("Ada", first.id)
    assert store.take("Bob").unit == first.unit
    assert store.take("Ada", again=True) is None  # it is in Bob's hands now


def test_those_who_share_a_commit_are_kept_or_told_each_for_itself(make):
    """Many at once, of whom some are refused in the middle of what they write."""
    store, n = make(40), 40
    given = [store.take(f"person {k}") for k in range(n)]

    def give_up(k):
        with store.database.writing() as connection:
            connection.execute(text("INSERT INTO annotators (name) VALUES (:name)"), {"name": f"ghost {k}"})
            raise VestigeError("refused")

    def act(k):
        if k % 4:
            return store.submit(f"person {k}", given[k].id, said(concept=f"by {k}"))
        with pytest.raises(VestigeError, match="refused"):
            give_up(k)
        return None

    with ThreadPoolExecutor(16) as pool:
        done = list(pool.map(act, range(n)))
    assert sum(each is not None and each.passed for each in done) == 30
    assert {each.concept for each in store.answers()} == {f"by {k}" for k in range(n) if k % 4}
    assert {each.name for each in store.people()} == {f"person {k}" for k in range(n)}


def test_where_one_of_a_group_breaks_the_database_none_of_it_is_acknowledged(make):
    store = make(8)
    given = [store.take(f"person {k}") for k in range(8)]
    kept, told = [], []

    def act(k):
        try:
            if k == 5:
                with store.database.writing() as connection:
                    connection.execute(text("INSERT INTO no_such_table VALUES (1)"))
            store.submit(f"person {k}", given[k].id, said(concept=f"by {k}"))
            kept.append(f"by {k}")
        except SQLAlchemyError:
            told.append(k)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(act, range(8)))
    assert 5 in told
    assert sorted(each.concept for each in store.answers()) == sorted(kept)
    for k in told:  # whoever was told sends it again
        assert store.submit(f"person {k}", given[k].id, said(concept=f"by {k}")).passed
    assert len(store.answers()) == 8


def test_text_of_any_language_comes_back_as_it_was(make):
    store = make(1)
    name, concept = "Ada 'Ünal\" %s 李", "<script>alert(1)</script>; DROP TABLE tries -- 灯 🏮"
    store.submit(name, store.take(name).id, said(concept=concept))
    assert [(each.annotator, each.concept) for each in store.answers()] == [(name, concept)]
    assert store.concepts() == (concept,)


def test_concepts_come_by_how_often_they_were_given(make):
    store = make(5)
    for concept in ("wheel", "lamp", "lamp", "arch"):
        store.submit("Ada", store.take("Ada").id, said(concept=concept))
    store.submit("Ada", store.take("Ada").id, said(concept="not sent for good", marked=()))
    assert store.concepts() == ("lamp", "arch", "wheel")


def test_people_and_progress_are_counted(make):
    store = make(4)
    for seconds in (10.0, 30.0):
        handout = store.take("Ada")
        store.clock.now += 60
        store.submit("Ada", handout.id, said(seconds=seconds))
    store.skip("Ada", store.take("Ada").id)
    handout = store.take("Bob")
    for attempt in (1, 2, 3):
        store.submit("Bob", handout.id, said(attempt, ()))
    store.enter("Cy")
    assert store.people() == (
        Person("Ada", 2, 0, 1, 2, 20.0),
        Person("Bob", 1, 1, 0, 3, 0.0),
        Person("Cy", 0, 0, 0, 0, None),
    )
    assert store.progress("Ada") == Progress(mine=2, left=1, skipped=1, complete=2, units=4)
    assert store.progress("Bob") == Progress(mine=1, left=1, skipped=0, complete=2, units=4, wanting=1)
    assert store.progress("nobody") == Progress(mine=0, left=2, skipped=0, complete=2, units=4)
    assert store.layers() == {"conv5": (4, 2, 2)}


def test_a_time_that_is_longer_than_the_unit_was_there_is_not_believed(make):
    store = make(1)
    store.submit("Ada", store.take("Ada").id, said(seconds=1e6))
    assert store.answers()[0].seconds == 0.0


def test_other_units_may_be_asked_later(make):
    store = make(2)
    store.submit("Ada", store.take("Ada").id, said())
    store.ask([unit(7, "pool5"), unit(1)])
    assert [store.take(name).unit for name in ("Ada", "Bob")] == [unit(7, "pool5"), unit(1)]
    assert store.progress("Ada").units == 2
    assert [each.unit for each in store.answers()] == [0]


def test_answers_are_taken_in_once(make):
    store = make(2, workers=2)
    for name in ("Ada", "Bob"):
        for marked in (RIGHT, (*RIGHT, 8)):
            store.submit(name, store.take(name).id, said(marked=marked))
    answers = store.answers()
    other = replace(answers[0], layer="pool5", unit=9, annotator="Cy")
    assert store.add([*answers, other]) == 1
    assert store.add([*answers, other]) == 0
    assert store.answers() == (*answers, other)
    with pytest.raises(VestigeError, match="'Bob' has answered otherwise"):
        store.add([replace(answers[0], annotator="Dee"), replace(answers[1], concept="something else")])
    assert store.answers() == (*answers, other)
    assert store.take("Dee") is None  # both units have two answers


def test_an_answer_is_taken_in_over_what_is_in_hand(make):
    store = make(1)
    handout = store.take("Ada")
    store.submit("Ada", handout.id, said(marked=()))
    other = make(1)
    answer = replace(store.every_try()[0], marked=(5, 31, 59), passed=True, concept="from elsewhere")
    assert other.add([answer]) == 1
    (kept,) = store.answers()
    assert (kept.concept, kept.passed, kept.tries) == ("from elsewhere", True, 2)
    with pytest.raises(AlreadyDoneError):
        store.submit("Ada", handout.id, said(2))


def test_a_store_keeps_its_secret(make, database):
    store, again = make(), open_store(database)
    assert again.secret == store.secret
    assert len(store.secret) == 32
    again.database.close()


def test_any_order_of_events_leaves_what_was_acknowledged(make):
    """A plain model beside the store, through a random course of events."""
    store, draw = make(6, workers=2), random.Random(0)
    names, acknowledged, handed = ["Ada", "Bob", "Cy", "Dee"], {}, {}
    for _ in range(250):
        name = draw.choice(names)
        event = draw.choice(["take", "take", "send", "send", "skip", "wait"])
        if event == "take":
            handout = store.take(name, again=draw.random() < 0.2)
            if handout is not None:
                key = name, handout.unit.unit
                assert key not in acknowledged or not acknowledged[key][1]
                others = {who for (who, each), (_, end) in acknowledged.items() if each == key[1] and end == "passed"}
                assert len(others - {name}) < 2 or handed.get(key, (0, 0))[1] + _TIME_OUT >= store.clock.now
                handed[key] = handout, store.clock.now
        elif event == "wait":
            store.clock.now += draw.choice([1, 50, 101])
        elif mine := [each for (who, _), each in handed.items() if who == name]:
            handout, _ = draw.choice(mine)
            key = name, handout.unit.unit
            if event == "skip":
                store.skip(name, handout.id)
                continue
            tries = acknowledged.get(key, (0, ""))
            right = draw.random() < 0.5
            if tries[1]:
                with pytest.raises(AlreadyDoneError):
                    store.submit(name, handout.id, said(min(tries[0] + 1, 3), (1,), concept=draw.choice("ab")))
                continue
            store.submit(name, handout.id, said(tries[0] + 1, RIGHT if right else (), group=draw.choice(GROUPS)))
            end = "passed" if right else "failed" if tries[0] + 1 == TRIES else ""
            acknowledged[key] = tries[0] + 1, end
            handed[key] = handout, store.clock.now  # it is theirs for as long again
    expected = {(name, k): (tries, end == "passed") for (name, k), (tries, end) in acknowledged.items() if end}
    assert {(each.annotator, each.unit): (each.tries, each.passed) for each in store.answers()} == expected
    assert len(store.every_try()) == sum(tries for tries, _ in acknowledged.values())
    assert len(expected) > 8


@pytest.mark.parametrize(
    "url", ["postgresql://tester:hush@/db?host=/nowhere", "mysql://tester:hush@there/db", "sqlite://", "nothing at all"]
)
def test_what_is_no_database_is_an_error_without_its_password(url):
    with pytest.raises(VestigeError) as error:
        open_store(url)
    assert "hush" not in str(error.value)


def test_a_file_that_is_none_is_an_error(tmp_path):
    path = tmp_path / "answers.sqlite"
    path.write_text("some other file, which is none of a database, and long enough to tell " * 20)
    with pytest.raises(VestigeError, match="cannot be used as a store of answers"):
        open_store(path)
    (tmp_path / "file").touch()
    with pytest.raises(VestigeError):
        open_store(tmp_path / "file" / "answers.sqlite")


_WRITER = """
import sys
from vestige.units.annotate.store import Said, open_store
from pathlib import Path
database = sys.argv[1]
store = open_store(database if "://" in database else Path(database), workers=1000)
for k in range(10**6):
    name = f"annotator {k}"
    store.submit(name, store.take(name).id, Said(1, f"concept {k}", "object", (5, 31, 59)))
    print(k, flush=True)
"""


def test_what_was_acknowledged_is_there_after_a_kill(make, database):
    store = make(2)
    with subprocess.Popen([sys.executable, "-c", _WRITER, str(database)], stdout=subprocess.PIPE, text=True) as writer:
        heard = [int(writer.stdout.readline()) for _ in range(20)]
        writer.kill()
        heard += [int(line) for line in writer.stdout.read().splitlines()]
    kept = [each.concept for each in store.answers()]
    assert len(set(kept)) == len(kept)
    assert {f"concept {k}" for k in heard} <= set(kept)
    assert len(kept) <= len(heard) + 1
    store.ask([unit(9)])
    assert store.submit("after", store.take("after").id, said()).passed
