"""The processor that this process may use, which in a container is not the host's."""

import math
import os
import re
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
INT8 = {"avx512_vnni", "avx_vnni", "amx_int8"}
BF16 = {"avx512_bf16", "amx_bf16"}
INFORMATION = Path("/proc/cpuinfo")


def allowance(cgroup: Path = CGROUP) -> float:
    """Cores' worth of time: the smaller of the quota of the control group and the affinity."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(float(affinity or 1), quota(cgroup))


def quota(cgroup: Path) -> float:
    try:
        limit, period = (cgroup / "cpu.max").read_text().split()  # version 2
    except (OSError, ValueError):
        try:
            limit = (cgroup / "cpu/cpu.cfs_quota_us").read_text().strip()  # version 1
            period = (cgroup / "cpu/cpu.cfs_period_us").read_text().strip()
        except OSError:
            return math.inf
    return math.inf if limit in ("max", "-1") else int(limit) / int(period)


def whole_cores() -> int:
    return max(1, round(allowance()))


def has_int8(information: Path = INFORMATION) -> bool:
    """Instructions for int8. Without them it is hardly faster, and sums can overflow."""
    return bool(INT8 & flags(information))


def has_bf16(information: Path = INFORMATION) -> bool:
    """Instructions for bf16. Without them, or on Intel's processors without AMX, it is slower."""
    return bool(BF16 & flags(information)) and not has_broken_amx(information)


def avoid_broken_amx(information: Path = INFORMATION) -> None:
    """Before an engine is used: oneDNN, in OpenVINO and torch, would end the process by SIGILL."""
    if has_broken_amx(information):
        os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_FP16")


def has_broken_amx(information: Path) -> bool:
    """Some virtual machines announce AMX and hide its description, which is leaf 1D of CPUID."""
    level = entry("cpuid level", information)
    return "amx_tile" in flags(information) and bool(level) and int(level) < 0x1D


def flags(information: Path) -> set[str]:
    return set(entry("flags", information).split())


def entry(name: str, information: Path) -> str:
    """What Linux says of the first processor; nothing elsewhere."""
    try:
        found = re.search(rf"^{name}\s*:(.*)$", information.read_text(), re.MULTILINE)
    except OSError:
        return ""
    return found[1].strip() if found else ""
