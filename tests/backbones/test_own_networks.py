"""A network that a program holds: known by what it computes, measured, and asked for again."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import vestige
from vestige.progress import print_nothing

INPUT = vestige.Preprocessing((32, 32), (127.5,) * 3, (127.5,) * 3)
FACES = ("synthetic:faces,n=16,seed=1,size=64", "synthetic:faces,n=6,seed=2,size=64")
OPTIONS = {"layers": ["second"], "rgb_size": 4, "look_backs": 0, "readouts": ["grid:4"]}


class Tiny(nn.Module):
    """Two convolutions."""

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.first = nn.Conv2d(3, 8, 3, 2, 1)
            self.second = nn.Conv2d(8, 8, 3, 2, 1)
        self.scale = scale
        self.shift = torch.zeros(())  # no buffer

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.second(torch.relu(self.first(x)) * self.scale + self.shift)
        return found


def other_forward() -> nn.Module:
    class Tiny(nn.Module):
        __init__ = globals()["Tiny"].__init__

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.second(torch.tanh(self.first(x)))

    Tiny.__qualname__ = "Tiny"
    made = copy.deepcopy(globals()["Tiny"]())
    made.__class__ = Tiny
    return made


def changed(change: Callable[[Tiny], object]) -> Tiny:
    module = Tiny()
    with torch.no_grad():
        change(module)
    return module


def held(module: nn.Module, preprocessing: vestige.Preprocessing = INPUT) -> vestige.Backbone:
    return vestige.Backbone.from_module(module, preprocessing)


def quiet(keep: bool = False) -> vestige.Session:
    return vestige.Session(vestige.Reader(keep=keep), print_nothing)


def test_equal_modules_are_one_network_and_changed_ones_are_others() -> None:
    others = [
        held(changed(lambda m: m.first.bias.add_(1e-3))),
        held(changed(lambda m: setattr(m, "scale", 2.0))),
        held(changed(lambda m: setattr(m, "shift", torch.ones(())))),
        held(changed(lambda m: setattr(m.second, "stride", (1, 1)))),
        held(other_forward()),
        held(Tiny().half().float()),
        held(Tiny(), vestige.Preprocessing((48, 48), (127.5,) * 3, (127.5,) * 3)),
        held(Tiny(), vestige.Preprocessing((32, 32), (0.0,) * 3, (127.5,) * 3)),
    ]
    for of in (lambda b: b.spec, lambda b: b.fingerprint):
        same = {of(held(Tiny())), of(held(Tiny().train())), of(held(copy.deepcopy(Tiny())))}
        assert len(same) == 1
        assert len(same.union(map(of, others))) == 1 + len(others)


def test_the_module_given_stays_as_it_is() -> None:
    module = Tiny().train()
    backbone = held(module)
    assert module.training
    assert all(parameter.requires_grad for parameter in module.parameters())
    before = backbone.weights_sha256
    with torch.no_grad():
        module.first.bias.add_(1)
    assert held(module).weights_sha256 != before == vestige.Backbone.weights_sha256.func(backbone)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = vestige.measure(
        "landmarks", *FACES, backbone=(Tiny(), INPUT), session=quiet(), untrained_seeds=2, **OPTIONS
    )
    return found.save(tmp_path_factory.mktemp("runs") / "tiny").folder


def test_it_is_measured_with_twins_of_other_weights(run: Path) -> None:
    results = vestige.open_run(run).results
    spec = held(Tiny()).spec
    assert results.backbone["spec"] == results.config["backbone"] == spec
    assert {row.backbone for row in results.sweep} == {
        spec,
        *(spec.replace(",", f"@random:{seed},") for seed in range(2)),
    }
    values = {row.value for row in results.sweep if row.method == "untrained" and not row.metric.startswith("oof")}
    assert len(values) == 2
    errors = {row.method: row.value for row in results.rows if row.metric.startswith("nme") and row.subset == "all"}
    assert errors["ridge"] < errors["mean"]


def test_its_run_asks_for_it_again(run: Path) -> None:
    opened, data = vestige.open_run(run), "synthetic:faces,n=4,seed=3,size=64"
    for use in (opened.evaluate, opened.predict):
        with pytest.raises(vestige.VestigeError, match=r"backbone=\(module"):
            use(data)
        with pytest.raises(vestige.VestigeError, match="another network"):
            use(data, backbone=(Tiny(2.0), INPUT))
        with pytest.raises(vestige.VestigeError, match=r"backbone: .*'rgb:4'.*'module:"):
            use(data, backbone="rgb:4")
        with pytest.raises(vestige.VestigeError, match=r"backbone: is dict"):
            use(data, backbone={})
    found = opened.evaluate(data, backbone=vestige.Backbone.from_module(Tiny(), INPUT, name="again"))
    assert [row.method for row in found.rows] == [row.method for row in opened.rows]
    (first, *_) = opened.predict(data, backbone=(Tiny(), INPUT)).predictions
    assert np.isfinite(first.points).all()


def test_the_command_line_says_where_it_can_be_used(run: Path) -> None:
    from vestige.spelling import on_command_line

    with on_command_line(), pytest.raises(vestige.VestigeError, match="Python"):
        vestige.open_backbone(str(vestige.open_run(run).results.backbone["spec"]))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (Tiny(), "backbone: is Tiny; expected"),
        ((Tiny(), "imagenet"), "preprocessing: is str; expected"),
        (("resnet18", INPUT), "module: is str; expected"),
        ((Tiny(), INPUT, 3), "backbone: is tuple; expected"),
        ((nn.Linear(3, 3), INPUT), "does not run on pictures"),
        ((changed(lambda m: setattr(m, "closed", (_ for _ in ()))), INPUT), "cannot be copied"),
    ],
)
def test_what_is_no_network_is_refused(given: object, said: str) -> None:
    with pytest.raises(vestige.VestigeError, match=said):
        vestige.measure("landmarks", *FACES, backbone=given)


def test_parameters_that_cannot_be_drawn_again_are_named() -> None:
    module = changed(lambda m: m.register_parameter("token", nn.Parameter(torch.ones(8))))
    with pytest.raises(vestige.VestigeError, match=r"'token' .*untrained_seeds=0"):
        vestige.measure("landmarks", *FACES, backbone=(module, INPUT), session=quiet(), untrained_seeds=1, **OPTIONS)


def test_names_that_would_not_stand_in_a_spec_are_refused() -> None:
    for name in ("", "a,b", "a@b", 3):
        with pytest.raises(vestige.VestigeError, match="name: is"):
            vestige.Backbone.from_module(Tiny(), INPUT, name=name)  # type: ignore[arg-type]
