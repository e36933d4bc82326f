"""bf16 where it pays: on which processors, for which networks, and the same for all processes."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from trainer import cpu
from trainer.config import Config

if TYPE_CHECKING:
    from trainer.world import World

DENSE, GROUPED = "resnet18", "shufflenet_v2_x0_5"


@pytest.mark.parametrize(
    ("flags", "level", "fast"),
    [
        ("fpu avx512f avx512_vnni", 32, False),
        ("fpu avx512_bf16 amx_bf16 amx_tile", 32, True),
        ("fpu avx512_bf16 amx_bf16 amx_tile", 28, False),  # AMX that the machine hides
        ("fpu avx512_bf16", 16, True),  # AMD's
    ],
)
def test_a_processor_is_fast_with_it_by_what_linux_says(
    tmp_path: Path, flags: str, level: int, *, fast: bool
) -> None:
    (tmp_path / "cpuinfo").write_text(f"cpuid level\t: {level}\nflags\t\t: {flags}\n")
    assert cpu.has_fast_bf16(tmp_path / "cpuinfo") == fast
    assert not cpu.has_fast_bf16(tmp_path / "missing")


@pytest.mark.parametrize(
    ("architecture", "wanted", "fast", "trains", "runs"),
    [
        (DENSE, "auto", True, True, True),
        (GROUPED, "auto", True, False, True),
        (DENSE, "auto", False, False, False),
        (GROUPED, "bf16", False, True, True),
        (DENSE, "fp32", True, False, False),
    ],
)
def test_on_a_cpu_it_trains_only_networks_without_groups(
    alone: "World",
    monkeypatch: pytest.MonkeyPatch,
    architecture: str,
    wanted: str,
    *,
    fast: bool,
    trains: bool,
    runs: bool,
) -> None:
    from trainer import model, precision

    monkeypatch.setattr(cpu, "has_fast_bf16", lambda: fast)
    config = Config(architecture=architecture, precision=wanted)
    assert precision.trains_in_bf16(config, alone, model.sketch(config)) == trains
    assert precision.runs_in_bf16(config, alone) == runs


def test_one_slow_process_keeps_all_at_fp32(
    alone: "World", monkeypatch: pytest.MonkeyPatch
) -> None:
    from trainer import precision
    from trainer.world import World

    monkeypatch.setattr(cpu, "has_fast_bf16", lambda: True)
    monkeypatch.setattr(World, "gather", lambda _, value: [value, False])
    assert not precision.runs_in_bf16(Config(), replace(alone, size=2))
