"""Where time goes: every second is booked once, to the kind of work that was begun last."""

import csv
import io
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from vestige.stopwatch import Spent, Stopwatch, as_csv, beside, table, timing, together


class Clock:
    """Seconds and processor seconds that pass when a test says so."""

    def __init__(self):
        self.seconds = self.processor = 0.0

    def watch(self):
        return Stopwatch(lambda: self.seconds, lambda: self.processor)

    def passes(self, seconds, processor=0.0):
        self.seconds += seconds
        self.processor += processor


def found_by(watch):
    return {each.kind: (each.seconds, each.processor_seconds, each.n) for each in watch.spent()}


def test_kinds_within_one_another_are_counted_once():
    clock = Clock()
    with clock.watch() as watch:
        clock.passes(1.0, 0.5)
        with timing("score"):
            clock.passes(2.0, 4.0)
            with timing("factor"):
                clock.passes(5.0, 10.0)
            with timing("factor"):
                clock.passes(0.5, 0.5)
            clock.passes(1.0, 1.0)
    assert found_by(watch) == {"factor": (5.5, 10.5, 2), "score": (3.0, 5.0, 1), "other": (1.0, 0.5, 0)}
    assert [each.kind for each in watch.spent()] == ["factor", "score", "other"]


def test_processor_seconds_of_other_threads_go_to_what_they_did():
    clock = Clock()
    with clock.watch() as watch, timing("forward"):
        clock.passes(1.0, 1.9)  # 0.5 of them in a thread that decodes
        watch.beside("decode", 0.5)
    found = found_by(watch)
    assert found["decode"] == (0.0, 0.5, 0)
    assert found["forward"] == pytest.approx((1.0, 1.4, 1))


def test_work_in_other_threads_is_measured_there():
    def burn(seconds):
        end = time.thread_time() + seconds
        while time.thread_time() < end:
            pass
        return seconds

    with Stopwatch() as watch, ThreadPoolExecutor(2) as pool:
        assert list(pool.map(beside("decode", burn), [0.02, 0.03])) == [0.02, 0.03]
        assert found_by(watch)["decode"][1] >= 0.05


def test_what_a_look_back_does_is_told_apart():
    with Stopwatch() as watch:
        with timing("gram"):
            pass
        with timing("look-back"):
            with timing("gram"), timing("read"):
                pass
            with timing("gram"):
                pass
        with timing("gram"):
            pass
    counts = {each.kind: each.n for each in watch.spent()}
    assert counts == {"gram": 2, "other": 0, "look-back: read": 1, "look-back: gram": 2, "look-back: other": 1}
    assert list(counts) == ["gram", "other", "look-back: read", "look-back: gram", "look-back: other"]


def test_an_inner_stopwatch_hands_on_what_it_has():
    clock = Clock()
    with clock.watch() as outer:
        with timing("open"):
            clock.passes(1.0)
        with timing("report"):
            clock.passes(2.0)
            with clock.watch() as inner:
                clock.passes(4.0)
                with timing("gram"):
                    clock.passes(8.0, 16.0)
                assert found_by(inner) == {"gram": (8.0, 16.0, 1), "other": (4.0, 0.0, 0)}
            clock.passes(0.5)
    assert found_by(outer) == {
        "open": (1.0, 0.0, 1),
        "gram": (8.0, 16.0, 1),
        "report": (2.5, 0.0, 1),
        "other": (4.0, 0.0, 0),
    }


def test_without_a_stopwatch_nothing_happens():
    @timing("gram")
    def work(value):
        return value

    assert work(3) == 3
    assert beside("decode", work)(4) == 4


def test_threads_without_the_context_do_not_disturb_the_stopwatch():
    with Stopwatch() as watch:

        def work():
            with timing("gram"):
                pass

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert [each.kind for each in watch.spent()] == ["other"]


def test_an_error_ends_a_kind():
    with Stopwatch() as watch:
        with pytest.raises(ValueError, match="no"), timing("gram"):
            raise ValueError("no")
        with timing("solve"):
            pass
    assert [(each.kind, each.n) for each in watch.spent()] == [("gram", 1), ("solve", 1), ("other", 0)]


def test_tables_and_sums():
    some = (Spent("gram", 1.0, 2.0, 3), Spent("other", 3.0, 3.0, 0))
    rows = table(some)
    assert {len(row) for row in rows} == {5}
    assert [row[:3] for row in rows[1:]] == [("gram", "1.0", "25 %"), ("other", "3.0", "75 %"), ("all", "4.0", "")]
    assert together(some, [Spent("read", 0.5, 0.5, 1)], some) == (
        Spent("read", 0.5, 0.5, 1),
        Spent("gram", 2.0, 4.0, 6),
        Spent("other", 6.0, 6.0, 0),
    )
    assert next(iter(csv.DictReader(io.StringIO(as_csv(some))))) == {
        "kind": "gram",
        "seconds": "1.0",
        "processor_seconds": "2.0",
        "n": "3",
    }


def test_it_costs_next_to_nothing():
    with Stopwatch():
        began = time.thread_time()
        for _ in range(2000):
            with timing("gram"):
                pass
        each = (time.thread_time() - began) / 2000
    assert each < 1e-4  # some microseconds, a few thousand times in a run
