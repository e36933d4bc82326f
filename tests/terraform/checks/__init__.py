"""Checks of our own; checkov loads the files of a folder that has this one."""

from pathlib import Path

__all__ = [path.stem for path in Path(__file__).parent.glob("[a-z]*.py")]
