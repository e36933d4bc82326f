"""How much an instance type has: the rule behind the names, for what a laptop can enforce."""

import re
from dataclasses import dataclass

# GiB for each virtual CPU, by the letters before the generation; and where a generation has others.
MEMORY = {"c": 2, "m": 4, "r": 8, "t": 4, "g": 4, "p": 32 / 3, "inf": 4, "trn": 32 / 3, "dl": 8}
ODD = {"g6e": 8, "g7e": 8, "inf1": 2, "p2": 61 / 4, "p3": 61 / 8, "p3dn": 8, "p4d": 12, "p4de": 12}
ODD |= {"trn1": 4, "trn1n": 4}
CPUS = {"medium": 1, "large": 2, "xlarge": 4}
SMALL = {"medium": 4, "large": 8}  # GiB of the types t


@dataclass(frozen=True)
class Limits:
    cpus: int
    memory: int  # bytes


def limits(instance_type: str) -> Limits:
    """Of ml.FAMILY.SIZE; those of an ml.m5.large if the name says nothing."""
    found = re.fullmatch(r"ml\.(([a-z]+)\d+[a-z0-9-]*)\.(\d*)([a-z]+)", instance_type)
    if not found:
        return Limits(2, 8 << 30)
    generation, family, times, size = found.groups()
    if family == "t" and size in SMALL:
        return Limits(2, SMALL[size] << 30)
    cpus = CPUS.get(size, 2) * int(times or 1)
    memory = cpus * ODD.get(generation, MEMORY.get(family, 4))
    return Limits(cpus, round(memory) << 30)
