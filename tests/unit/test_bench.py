"""What the benches themselves compute."""

import subprocess
import sys

import pytest

from tests.bench.train import peak_of


def test_a_runs_memory_is_its_own_with_its_children_and_not_that_of_a_run_before() -> None:
    grown = f"import subprocess; subprocess.run([{sys.executable!r}, '-c', 'b = bytearray(10**8)'])"
    large = peak_of([sys.executable, "-c", grown])
    small = peak_of([sys.executable, "-c", "pass"])
    assert large > 95
    assert small < large - 50
    with pytest.raises(subprocess.CalledProcessError):
        peak_of([sys.executable, "-c", "raise SystemExit(3)"])
