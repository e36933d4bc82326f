"""Functions of Lambda, and the environments in which they run."""
