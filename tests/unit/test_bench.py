"""What the benches themselves compute."""

import json
import subprocess
import sys

import pytest

from tests.bench.train import peak_of
from tests.conftest import ROOT

GROWN = f"import subprocess; subprocess.run([{sys.executable!r}, '-c', 'b = bytearray(10**8)'])"
# In a process of its own: Linux counts what the starter holds, which here is pytest and torch.
PROGRAM = f"""
import json
from tests.bench.train import peak_of
print(json.dumps([peak_of([{sys.executable!r}, "-c", each]) for each in ({GROWN!r}, "pass")]))
"""


def test_a_runs_memory_is_its_own_with_its_children_and_not_that_of_a_run_before() -> None:
    told = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=True
    )
    large, small = json.loads(told.stdout)
    assert large > 95
    assert small < large - 50


def test_a_run_that_fails_has_no_figures() -> None:
    with pytest.raises(subprocess.CalledProcessError):
        peak_of([sys.executable, "-c", "raise SystemExit(3)"])
