"""Measurements, each run by hand with `make`: never part of the tests."""

from server import cpu

cpu.avoid_broken_amx()
