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
    ("vendor", "flags", "level", "fast"),
    [
        ("GenuineIntel", "fpu avx512f avx512_vnni", 32, False),
        ("GenuineIntel", "fpu avx512_bf16 amx_bf16 amx_tile", 32, True),
        ("GenuineIntel", "fpu avx512_bf16 amx_bf16 amx_tile", 28, False),  # AMX that is hidden
        ("GenuineIntel", "fpu avx512_bf16", 32, False),  # slower than fp32
        ("AuthenticAMD", "fpu avx512_bf16", 16, True),
    ],
)
def test_a_processor_is_fast_with_it_by_what_linux_says(
    tmp_path: Path, vendor: str, flags: str, level: int, *, fast: bool
) -> None:
    lines = {"vendor_id": vendor, "cpuid level": level, "flags": flags}
    text = "".join(f"{name}\t: {value}\n" for name, value in lines.items())
    (tmp_path / "cpuinfo").write_text(text)
    assert cpu.has_fast_bf16(tmp_path / "cpuinfo") == fast
    assert not cpu.has_fast_bf16(tmp_path / "missing")


@pytest.mark.parametrize(
    ("architecture", "wanted", "fast", "steps", "features"),
    [
        (DENSE, "auto", True, "bf16", "bf16"),
        (GROUPED, "auto", True, "fp32", "bf16"),
        (DENSE, "auto", False, "fp32", "fp32"),
        (GROUPED, "bf16", False, "bf16", "bf16"),
        (DENSE, "fp32", True, "fp32", "fp32"),
    ],
)
def test_on_a_cpu_it_trains_only_networks_without_groups(
    alone: "World",
    monkeypatch: pytest.MonkeyPatch,
    architecture: str,
    wanted: str,
    steps: str,
    features: str,
    *,
    fast: bool,
) -> None:
    from trainer import model, precision

    monkeypatch.setattr(cpu, "has_fast_bf16", lambda: fast)
    config = Config(architecture=architecture, precision=wanted)
    assert precision.of_steps(config, alone, model.sketch(config)) == steps
    assert precision.of_features(config, alone) == features
    # Of the head alone, which is too small to gain.
    assert precision.of_steps(replace(config, regime="head"), alone, model.sketch(config)) == "fp32"


def test_one_slow_process_keeps_all_at_fp32(
    alone: "World", monkeypatch: pytest.MonkeyPatch
) -> None:
    from trainer import precision
    from trainer.world import World

    monkeypatch.setattr(cpu, "has_fast_bf16", lambda: True)
    monkeypatch.setattr(World, "gather", lambda _, value: [value, False])
    assert precision.of_features(Config(), replace(alone, size=2)) == "fp32"
