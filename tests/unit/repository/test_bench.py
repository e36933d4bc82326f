"""What the benches themselves compute."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.trainer_runs import peak_of
from tests.conftest import ROOT

GROWN = f"import subprocess; subprocess.run([{sys.executable!r}, '-c', 'b = bytearray(10**8)'])"
# In a process of its own: Linux counts what the starter holds, which here is pytest and torch.
PROGRAM = f"""
import json
from tests.bench.trainer_runs import peak_of
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


# As on a GPU, but for the device.
STEPS = """
import json, sys
from pathlib import Path
from tests.bench import train
train.STEPS["cpu"] = {"architecture": "resnet18", "size": "32", "resize": "40", "batch": "8"}
print(json.dumps(train.steps("cpu", Path(sys.argv[1]), pairs=3, side=256)))
"""


def test_steps_are_timed_and_their_arithmetic_is_counted(pictures: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-c", STEPS, pictures],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(told.stdout.splitlines()[-1])
    # ResNet-18 at 32 px: 37 million products and sums forward, and about twice that backward.
    assert found["gigaflops_per_picture"] == pytest.approx(3 * 2 * 0.037, rel=0.1)
    assert found["full_vs_synthetic"] > 0
    assert found["share_of_product"] > 0
    assert (found["pairs"], found["device"]) == (3, "cpu")
