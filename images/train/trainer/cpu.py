"""What has to be known of the processor before torch and OpenVINO are loaded."""

import os
import re
from pathlib import Path

INFORMATION = Path("/proc/cpuinfo")
BF16 = {"avx512_bf16", "amx_bf16"}


def avoid_broken_amx(information: Path = INFORMATION) -> None:
    """Before torch and OpenVINO are used: oneDNN, in both, would end the process by SIGILL."""
    if has_broken_amx(information):
        os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_FP16")


def has_broken_amx(information: Path = INFORMATION) -> bool:
    """Some virtual machines announce AMX and hide its description, which is leaf 1D of CPUID."""
    level = entry("cpuid level", information)
    return "amx_tile" in flags(information) and bool(level) and int(level) < 0x1D


def has_fast_bf16(information: Path = INFORMATION) -> bool:
    """Instructions for it, which on Intel's processors are slower than fp32 without AMX."""
    return bool(BF16 & flags(information)) and not has_broken_amx(information)


def flags(information: Path) -> set[str]:
    return set(entry("flags", information).split())


def entry(name: str, information: Path) -> str:
    """What Linux says of the first processor; nothing elsewhere."""
    try:
        found = re.search(rf"^{name}\s*:(.*)$", information.read_text(), re.MULTILINE)
    except OSError:
        return ""
    return found[1].strip() if found else ""
