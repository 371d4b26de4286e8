"""The work that is dealt out to threads."""

from __future__ import annotations

import threading

import pytest
import torch

from vestige.ridge import _linalg

CPU = torch.device("cpu")


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_linalg, "_cores", lambda: 2)


@pytest.mark.usefixtures("two_cores")
def test_each_gives_results_in_the_items_order() -> None:
    meet = threading.Barrier(2, timeout=20)  # passed only if two items are worked on at once

    def work(item: int) -> int:
        if item < 2:
            meet.wait()
        return item * item

    assert _linalg.each(work, range(7), CPU) == [0, 1, 4, 9, 16, 25, 36]
    assert _linalg.each(work, [], CPU) == []


@pytest.mark.usefixtures("two_cores")
def test_each_leaves_the_blas_its_threads_and_errors_come_through() -> None:
    before = [library["num_threads"] for library in _linalg._blas().info()]
    inside: list[int] = []

    def work(item: int) -> None:
        inside.extend(library["num_threads"] for library in _linalg._blas().info())
        if item == 1:
            raise ValueError("item 1")

    with pytest.raises(ValueError, match="item 1"):
        _linalg.each(work, [0, 1], CPU)
    assert set(inside) == {1}
    assert [library["num_threads"] for library in _linalg._blas().info()] == before


def test_each_on_a_device_is_a_plain_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_linalg, "ThreadPoolExecutor", None)
    assert _linalg.each(str, [1, 2], torch.device("meta")) == ["1", "2"]


@pytest.mark.parametrize("d", [1, 255, 600])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_symmetric_product_is_the_product_and_symmetric(d: int, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(d)
    q, g = (torch.randn(d, d, generator=generator, dtype=torch.float64) for _ in range(2))
    found = _linalg.symmetric((q @ (g + g.T)).to(dtype), q.T.to(dtype))
    expected = q @ (g + g.T) @ q.T
    assert found.dtype == dtype
    error = float((found.double() - expected).norm() / expected.norm())
    assert error < 10 * torch.finfo(dtype).eps
