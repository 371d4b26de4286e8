"""How the engine uses threads."""

from __future__ import annotations

import pytest
import torch

from vestige.ridge._linalg import blas_alone


def test_torch_has_one_thread_only_inside() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)

    @blas_alone()
    def inside() -> int:
        return torch.get_num_threads()

    try:
        assert inside() == 1
        assert torch.get_num_threads() == 3
        with pytest.raises(ValueError, match="stop"), blas_alone():
            raise ValueError("stop")
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
