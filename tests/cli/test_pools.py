"""Idle threads of the numerical libraries sleep soon, unless the user has said how they wait."""

import subprocess
import sys

import pytest

from vestige.cli.pools import wait_briefly


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {"GOMP_SPINCOUNT": "20000", "OPENBLAS_THREAD_TIMEOUT": "20"}),
        ({"GOMP_SPINCOUNT": "7"}, {"GOMP_SPINCOUNT": "7", "OPENBLAS_THREAD_TIMEOUT": "20"}),
        ({"OPENBLAS_THREAD_TIMEOUT": "4"}, {"GOMP_SPINCOUNT": "20000", "OPENBLAS_THREAD_TIMEOUT": "4"}),
        ({"OMP_WAIT_POLICY": "active"}, {"OMP_WAIT_POLICY": "active", "OPENBLAS_THREAD_TIMEOUT": "20"}),
    ],
)
def test_what_a_user_has_set_stays(given, expected):
    environment = dict(given)
    wait_briefly(environment)
    assert environment == expected


def test_no_library_is_loaded_before_it_is_told():
    code = (
        "import sys; import vestige.cli.main; "
        "print(sorted({'numpy', 'scipy', 'torch'} & {name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
