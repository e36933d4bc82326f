"""How much an instance type has: the rule behind the names, for what a laptop can enforce."""

import re
from dataclasses import dataclass

# GiB for each virtual CPU, by the letters before the generation.
MEMORY = {"c": 2, "m": 4, "r": 8, "t": 4, "g": 4, "p": 8, "inf": 4, "trn": 16}
CPUS = {"medium": 2, "large": 2, "xlarge": 4}
SMALL = {"medium": 4, "large": 8}  # GiB of the types t


@dataclass(frozen=True)
class Limits:
    cpus: int
    memory: int  # bytes


def limits(instance_type: str) -> Limits:
    """Of ml.FAMILY.SIZE; those of an ml.m5.large if the name says nothing."""
    found = re.fullmatch(r"ml\.([a-z]+)\d+[a-z-]*\.(\d*)([a-z]+)", instance_type)
    if not found:
        return Limits(2, 8 << 30)
    family, times, size = found.groups()
    cpus = CPUS.get(size, 2) * int(times or 1)
    memory = SMALL.get(size) if family == "t" else None
    return Limits(cpus, (memory or cpus * MEMORY.get(family, 4)) << 30)
