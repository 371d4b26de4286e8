"""Weights files that are not what they say end in one clear error and change nothing."""

import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from vestige.backbones import open_backbone
from vestige.backbones.preprocessing import Preprocessing
from vestige.backbones.watching import run_order, tensor_of
from vestige.backbones.weights import load_weights
from vestige.errors import VestigeError


@pytest.fixture
def module() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))


def _changed(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value + 1 for name, value in module.state_dict().items()}


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_state_dict_is_read_from_either_format(module: nn.Module, tmp_path: Path, suffix: str) -> None:
    path, state = tmp_path / f"w{suffix}", _changed(module)
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    load_weights(module, path)
    assert all(torch.equal(value, state[name]) for name, value in module.state_dict().items())


@pytest.mark.parametrize("wrapper", ["state_dict", "model"])
def test_a_checkpoint_is_unwrapped(module: nn.Module, tmp_path: Path, wrapper: str) -> None:
    state = _changed(module)
    torch.save({wrapper: state, "epoch": 3}, tmp_path / "w.pth")
    load_weights(module, tmp_path / "w.pth")
    assert torch.equal(module[0].weight, state["0.weight"])


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_truncated_file_is_refused(module: nn.Module, tmp_path: Path, suffix: str) -> None:
    path, state = tmp_path / f"w{suffix}", _changed(module)
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    path.write_bytes(path.read_bytes()[:-200])
    _refused(module, path, "cannot be read as weights")


def test_a_file_of_text_is_refused(module: nn.Module, tmp_path: Path) -> None:
    (tmp_path / "w.pth").write_text("no weights here")
    _refused(module, tmp_path / "w.pth", "cannot be read as weights")


def test_wrong_shapes_are_told_with_the_tensors_name(module: nn.Module, tmp_path: Path) -> None:
    torch.save(_changed(module) | {"0.weight": torch.zeros(4, 3, 5, 5)}, tmp_path / "w.pth")
    _refused(module, tmp_path / "w.pth", r"'0.weight' has shape \(4, 3, 5, 5\); expected \(4, 3, 3, 3\)")


def test_missing_and_unknown_tensors_are_told(module: nn.Module, tmp_path: Path) -> None:
    state = _changed(module) | {"2.weight": torch.zeros(1)}
    del state["1.bias"]
    torch.save(state, tmp_path / "w.pth")
    _refused(module, tmp_path / "w.pth", r"missing 1 \(1.bias\) and unknown 1 \(2.weight\)")


@pytest.mark.parametrize("content", [[1, 2], {"a": 3}, {}, {4: torch.zeros(1)}])
def test_what_is_no_state_dict_is_refused(module: nn.Module, tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "w.pth")
    _refused(module, tmp_path / "w.pth", "holds no state dict")


def test_damaged_values_are_refused(module: nn.Module, tmp_path: Path) -> None:
    torch.save(_changed(module) | {"1.weight": torch.full((4,), torch.nan)}, tmp_path / "w.pth")
    _refused(module, tmp_path / "w.pth", "'1.weight' holds values that are not finite")


class _Bomb:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, (f"open({str(self.mark)!r}, 'w').close()",)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_that_would_run_code_is_refused_and_does_not_run(
    module: nn.Module, tmp_path: Path, zipped: bool
) -> None:
    path, mark = tmp_path / "w.pth", tmp_path / "mark"
    if zipped:
        torch.save({"0.weight": _Bomb(mark)}, path)
    else:
        path.write_bytes(pickle.dumps({"0.weight": _Bomb(mark)}, protocol=2))
    _refused(module, path, "cannot be read as weights")
    assert not mark.exists()


WRAPPED = {
    "compiled": lambda state: _prefixed("_orig_mod.", state),
    "compiled within parallel within Lightning": lambda state: _prefixed("model.module._orig_mod.", state),
    "a compiled layer": lambda state: {name.replace("0.", "0._orig_mod.", 1): t for name, t in state.items()},
    "Lightning with a loss": lambda state: {
        "state_dict": _prefixed("model.", state) | {"loss.weight": torch.ones(3)},
        "epoch": 1,
    },
    "DINO": lambda state: {"teacher": _prefixed("backbone.", state) | {"head.weight": torch.ones(3)}, "epoch": 1},
    "averaged": lambda state: {"model_ema": _prefixed("module.", state) | {"n_averaged": torch.tensor(2)}},
    "nested": lambda state: {"model_state_dict": {"state_dict": state}},
}


@pytest.mark.parametrize("wrapped", WRAPPED.values(), ids=WRAPPED)
def test_wrappers_are_taken_off_until_none_is_left(module: nn.Module, tmp_path: Path, wrapped) -> None:
    state = _changed(module)
    torch.save(wrapped(state), tmp_path / "w.pth")
    load_weights(module, tmp_path / "w.pth")
    assert all(torch.equal(value, state[name]) for name, value in module.state_dict().items())


def test_a_networks_own_names_may_begin_as_a_wrappers(module: nn.Module, tmp_path: Path) -> None:
    own = nn.ModuleDict({"model": module})
    state = _changed(own)
    torch.save(_prefixed("module.", state), tmp_path / "w.pth")
    load_weights(own, tmp_path / "w.pth")
    assert all(torch.equal(value, state[name]) for name, value in own.state_dict().items())


ODD = {
    "sparse": lambda t: t.to_sparse(),
    "meta": lambda t: t.to("meta"),
    "float8": lambda t: t.to(torch.float8_e4m3fn),
    "complex": lambda t: t.to(torch.complex64),
    "int": lambda t: t.int(),
    "compressed": lambda t: t.reshape(4, -1).to_sparse_csr(),
    "quantised": lambda t: torch.quantize_per_tensor(t, 0.1, 0, torch.qint8),
    "nested": lambda t: torch.nested.nested_tensor([t[0], t[1]]),
}


@pytest.mark.filterwarnings("ignore")  # torch's, about making such tensors
@pytest.mark.parametrize("change", ODD.values(), ids=ODD)
def test_tensors_that_are_no_plain_numbers_are_refused(module: nn.Module, tmp_path: Path, change) -> None:
    state = _changed(module)
    torch.save(state | {"0.weight": change(state["0.weight"])}, tmp_path / "w.pth")
    _refused(module, tmp_path / "w.pth", "tensor '0.weight' is")


def test_an_object_in_a_checkpoint_is_named_without_torchs_advice(module: nn.Module, tmp_path: Path) -> None:
    torch.save({"state_dict": _changed(module), "folder": Path("x")}, tmp_path / "w.pth")
    with pytest.raises(VestigeError, match=r"the object pathlib\.") as caught:
        load_weights(module, tmp_path / "w.pth")
    assert "weights_only" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


def _prefixed(prefix: str, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {prefix + name: tensor for name, tensor in state.items()}


@pytest.mark.parametrize("output", [(None, 1), {"aux": None, "out": 1}, {"aux": 2, "out": 1}, [1, None], {"a": 1}])
def test_an_outputs_tensor_is_found_behind_what_is_none(output) -> None:
    tensors = {1: torch.ones(1), 2: torch.zeros(1)}
    made = (
        {key: tensors.get(value) for key, value in output.items()}
        if isinstance(output, dict)
        else type(output)(tensors.get(value) for value in output)
    )
    assert tensor_of(made) is tensors[1]


def test_compiled_networks_are_refused_in_words(module: nn.Module) -> None:
    with pytest.raises(VestigeError, match=r"torch\.jit"):
        run_order(torch.jit.script(module), torch.zeros(1, 3, 8, 8))


def test_pixels_that_cannot_be_written_are_read_without_a_warning() -> None:
    pixels = np.zeros((1, 4, 4, 3), np.uint8)
    pixels.setflags(write=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Preprocessing((4, 4), (0.0,) * 3, (1.0,) * 3)(pixels).shape == (1, 3, 4, 4)


@pytest.mark.parametrize("kept", [0, 400, 900])
def test_what_is_said_of_a_damaged_file_is_whole(tmp_path: Path, kept: int) -> None:
    torch.save({"weight": torch.zeros(100)}, tmp_path / "w.pth")
    (tmp_path / "w.pth").write_bytes((tmp_path / "w.pth").read_bytes()[:kept])
    with pytest.raises(VestigeError) as error:
        load_weights(nn.Linear(2, 2), tmp_path / "w.pth")
    reason, _, expected = str(error.value).partition("; ")
    assert expected.startswith("expected a complete .safetensors file")
    assert len(reason) < 250 + len(str(tmp_path))
    assert "internal" not in reason  # torch's advice on its own errors


def test_a_missing_file_is_told() -> None:
    with pytest.raises(VestigeError, match=r"nowhere.pth: "):
        open_backbone("efficientnet_lite0@nowhere.pth")


def test_saved_weights_of_the_embedded_network_open_again(tmp_path: Path) -> None:
    backbone = open_backbone("efficientnet_lite0@random:3")
    save_file(backbone.module.state_dict(), tmp_path / "w.safetensors")
    again = open_backbone(f"efficientnet_lite0@{tmp_path / 'w.safetensors'}")
    assert again.weights_sha256 == backbone.weights_sha256


def _refused(module: nn.Module, path: Path, match: str) -> None:
    before = {name: value.clone() for name, value in module.state_dict().items()}
    with pytest.raises(VestigeError, match=match) as caught:
        load_weights(module, path)
    assert str(path) in str(caught.value)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
