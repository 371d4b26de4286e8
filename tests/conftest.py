"""What every test shares: a cache of its own, one thread, and no hurry for hypothesis on a busy machine."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported; pytest's workers have the other cores

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("vestige", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("vestige")


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    """Stores of the tests go to a folder of their own, and child processes find it, too."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VESTIGE_CACHE", str(folder))
        yield folder


def pytest_addoption(parser):
    parser.addoption("--fuzz", type=int, default=1, help="how many times as many damaged files to try as usual")
    parser.addoption("--golden", action="store_true", help="write the outlines of the tasks' pages anew")


@pytest.fixture(scope="session")
def fuzz(request):
    """How many times as many cases as usual."""
    return request.config.getoption("--fuzz")
