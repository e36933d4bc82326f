"""What has to be known of the processor before torch and OpenVINO are loaded."""

import os
import re
from pathlib import Path

INFORMATION = Path("/proc/cpuinfo")


def avoid_broken_amx(information: Path = INFORMATION) -> None:
    """Before torch and OpenVINO are used: oneDNN, in both, would end the process by SIGILL."""
    if has_broken_amx(information):
        os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_FP16")


def has_broken_amx(information: Path = INFORMATION) -> bool:
    """Some virtual machines announce AMX and hide its description, which is leaf 1D of CPUID."""
    try:
        text = information.read_text()
    except OSError:
        return False  # not Linux: no AMX there
    level = re.search(r"^cpuid level\s*:\s*(\d+)$", text, re.MULTILINE)
    return " amx_tile" in text and level is not None and int(level[1]) < 0x1D
