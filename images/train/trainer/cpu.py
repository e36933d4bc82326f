"""What has to be known of the processor before torch and OpenVINO are loaded."""

import os
import re
from pathlib import Path

INFORMATION = Path("/proc/cpuinfo")


def prepare() -> None:
    """Set the variables that torch and OpenVINO read when they are loaded, and only then."""
    avoid_broken_amx()
    # By default threads spin for 14 ms while they wait: beside other work it is a tenth as fast.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")


def avoid_broken_amx(information: Path = INFORMATION) -> None:
    """Before torch and OpenVINO are used: oneDNN, in both, would end the process by SIGILL."""
    if has_broken_amx(information):
        os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_FP16")


def has_broken_amx(information: Path = INFORMATION) -> bool:
    """Some virtual machines announce AMX and hide its description, which is leaf 1D of CPUID."""
    level = entry("cpuid level", information)
    return "amx_tile" in flags(information) and bool(level) and int(level) < 0x1D


def has_fast_bf16(information: Path = INFORMATION) -> bool:
    """AMX; or AVX512-BF16, which on Intel's processors is slower than fp32."""
    if "amx_bf16" in flags(information):
        return not has_broken_amx(information)
    amd = entry("vendor_id", information) == "AuthenticAMD"
    return amd and "avx512_bf16" in flags(information)


def flags(information: Path) -> set[str]:
    return set(entry("flags", information).split())


def entry(name: str, information: Path) -> str:
    """What Linux says of the first processor; nothing elsewhere."""
    try:
        found = re.search(rf"^{name}\s*:(.*)$", information.read_text(), re.MULTILINE)
    except OSError:
        return ""
    return found[1].strip() if found else ""
