"""What other tests make, by the paths of their modules."""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

_TESTS = Path(__file__).parents[2]


@cache
def beside(path: str) -> ModuleType:
    """A module of the tests, such as ``features/tiny.py``."""
    name = f"fuzzed_{path.replace('/', '_').removesuffix('.py')}"
    spec = importlib.util.spec_from_file_location(name, _TESTS / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
