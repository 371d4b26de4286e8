"""Plans and forecasts: what will be computed, and how long it will take."""

from dataclasses import dataclass, replace

import pytest

from vestige.contract import forecast as forecasts
from vestige.contract.forecast import Forecast
from vestige.contract.plan import Layer, Part, Plan, Work, plan_by_options, plan_of
from vestige.datasets.opening import open_train_test
from vestige.features.reader import Reader
from vestige.probes.engine.options import VectorOptions
from vestige.probes.landmarks.task import LandmarkOptions
from vestige.probes.pixels.task import PixelOptions
from vestige.tasks import task_named

PLAN = Plan(
    "landmarks",
    (Part("train", "a", 50, 100), Part("test", "b", 20, 20)),
    ("net@random:0", "net"),
    (Layer("one", "flat", 400), Layer("two", "flat", 800)),
    classes=1,
    baseline=400,
)


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self):
        return self.now


class Read:
    """A layer of some numbers."""

    def __init__(self, size):
        self.size = size


@pytest.fixture
def watched():
    clock, told = Clock(), []
    return Forecast(PLAN, told.append, clock), clock, told


def test_pictures_of_all_networks_count_at_the_speed_of_the_first(watched):
    forecast, clock, told = watched
    forecast.begin("net@random:0", [Read(400), Read(800)], 100)
    clock.now = 10.0  # opening the network
    forecast.count("pictures", 0, 100)
    clock.now = 15.0  # the first batch warms up
    forecast.count("pictures", 10, 100)
    for done in range(20, 101, 10):
        clock.now += 1.0
        forecast.count("pictures", done, 100)
    # told at 60 pictures: 20 s are over, 40 + 20 + 120 are to come at 10 a second
    assert told == ["pictures will take about 38 s, fits beside that"]


@pytest.mark.parametrize(("views", "cluster", "told"), [(512, object(), 1), (513, object(), 0), (512, None, 0)])
def test_what_a_cluster_cannot_share_is_told(views, cluster, told):
    lines = []
    plan = replace(PLAN, data=(Part("train", "a", views, views), Part("test", "b", 20, 20)))
    forecasts.watched(replace(Reader(), cluster=cluster), plan, lines.append)
    assert sum("cluster:" in line for line in lines) == told


def test_fits_are_foretold_from_the_first(watched):
    forecast, clock, told = watched
    forecast.begin("rgb:46", [Read(400)], 100)
    forecast.count("pictures", 100, 100)
    forecast.begin("rgb:46", [Read(400)], 20)  # the test pictures, before what is fitted on the others
    clock.now = 1.0
    forecast.count("fits", 1, 1)
    forecast.begin("net@random:0", [Read(400), Read(800)], 100)
    forecast.count("pictures", 0, 100)
    clock.now = 11.0
    forecast.count("pictures", 100, 100)
    kernel, solved = 100 * 100 * 400, 40 * 100**3
    mean = (kernel + 2 * kernel + 2 * solved) / 2 / (kernel + solved)
    assert told == [f"all of it will take about {11 + 14 + 4 * mean:.0f} s"]


def test_where_all_is_stored_the_first_fit_tells():
    clock, told = Clock(), []
    stored = replace(PLAN, stored=PLAN.bytes)
    forecast = Forecast(stored, told.append, clock)
    forecast.begin("net@random:0", [Read(800), Read(800)], 100)
    clock.now = 2.0
    forecast.count("fits", 1, 2)
    assert len(told) == 1
    clock.now = 4.0
    forecast.count("fits", 2, 2)
    assert len(told) == 1


def test_what_else_takes_long_is_foretold_once_its_speed_is_known():
    clock, told = Clock(), []
    work = (Work("pairs", 10), Work("pairs", 10, cost=4.0))
    forecast = Forecast(Plan("align", PLAN.data[1:], ("net",), work=work), told.append, clock)
    forecast.begin("net", [Read(8)], 20)
    forecast.count("pictures", 0, 20)
    clock.now = 2.0
    forecast.count("pictures", 20, 20)
    assert told == ["pictures will take about 2.0 s, pairs beside that"]
    forecast.count("pairs", 0, 10)
    clock.now = 8.0  # the first pairs compile
    forecast.count("pairs", 2, 10)
    for done in (4, 6, 8, 10):
        clock.now += 2.0
        forecast.count("pairs", done, 10)
    # known at 8 pairs, after 14 s: 2 are to come at 1 s, and 10 that cost four times as much
    assert told[1:] == ["all of it will take about 56 s"]


def test_of_what_may_end_early_the_whole_is_timed():
    clock, told = Clock(), []
    forecast = Forecast(Plan("detect", (), work=(Work("SVMs", 100, early=True),) * 3), told.append, clock)
    forecast.count("SVMs", 0, 100)
    clock.now = 1.0
    forecast.count("SVMs", 10, 100)
    assert told == []
    clock.now = 2.0
    forecast.count("SVMs", 100, 100)
    assert told == ["all of it will take about 6.0 s"]


def test_what_is_not_counted_is_named():
    clock, told = Clock(), []
    plan = Plan("fields", PLAN.data, work=(Work("patches", 100),), uncounted="the pictures of neighbours")
    forecast = Forecast(plan, told.append, clock)
    forecast.count("patches", 20, 100)  # stored before
    forecast.count("pairs", 1, 2)  # not planned
    for done in (60, 80, 100):
        clock.now += 4.0
        forecast.count("patches", done, 100)
    assert told == ["all of it will take about 12 s, the pictures of neighbours beside that"]


@pytest.fixture(scope="module")
def data():
    return open_train_test("synthetic:faces,n=12,seed=1,size=64", "synthetic:faces,n=6,seed=2,size=64")


def test_a_plan_says_what_is_stored_already(data, tmp_path):
    reader = Reader(cache=tmp_path)
    task = task_named("pixels")
    options = (PixelOptions(8), VectorOptions("rgb:8", ("all",), untrained_seeds=0))
    before = plan_of(task, reader, data, options)
    assert before.stored == 0
    assert (before.pictures, before.fitted) == (18, 12)
    # the network, and the baseline's 46 x 46 pixels, which are also read to see which pictures can be
    assert before.bytes == 4 * (18 * 192 + 2 * 18 * 3 * 46 * 46)
    task.measure(_session(reader), data, *options)
    after = plan_of(task, reader, data, options)
    assert after.stored == 4 * 18 * 192
    written = sum(path.stat().st_size for path in tmp_path.rglob("c/*/*"))
    assert written <= before.bytes


def test_looks_are_at_every_part_of_every_view(data):
    options = LandmarkOptions("rgb:8", ("all",), untrained_seeds=0, look_backs=2)
    plan = plan_of(task_named("landmarks"), Reader(), data, (options,))
    assert [part.views for part in plan.data] == [24, 6]
    parts = len(data[0].markup.parts)
    assert plan.looks == 2 * 30 * parts
    assert plan.fits == 1 + 1 + 2 * parts  # the layer, the pixels, and every part at each look
    plain = plan_of(
        task_named("landmarks"),
        Reader(),
        data,
        (LandmarkOptions("rgb:8", ("all",), mirror=False, look_backs=0, untrained_seeds=0),),
    )
    assert ([part.views for part in plain.data], plain.looks) == ([12, 6], 0)


def test_cells_are_planned_by_the_layers_that_are_named(data):
    @dataclass(frozen=True)
    class Options:
        backbone: str = "rgb:8"
        layers: tuple[str, ...] = ("all",)

    plan = plan_by_options("cells", Reader(), ((), list(data)), (Options(),))
    assert [(layer.readout, layer.numbers) for layer in plan.layers] == [("cells", 192)]
    assert ([part.role for part in plan.data], plan.bytes, plan.fits) == (["", ""], None, 0)
    assert plan_by_options("cells", Reader(), data, (Options(layers=()),)).layers == ()


def _session(reader):
    from vestige.contract.session import Session
    from vestige.progress import print_nothing

    return Session(reader, print_nothing)
