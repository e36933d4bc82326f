"""What a start leaves unimported, and that it is there when it is needed."""

import subprocess
import sys

PROGRAM = """
import io, sys
from server import imports

imports.spare()
from server import handlers, engine

loaded = {"scipy.sparse._base", "openvino_telemetry", "numpy.f2py"} & sys.modules.keys()
assert not loaded, loaded

import numpy
import scipy.sparse

content = io.BytesIO()
scipy.sparse.save_npz(content, scipy.sparse.csr_array(numpy.eye(3)))
assert handlers.npz(content.getvalue()).sum() == 3
assert "scipy.sparse._base" in sys.modules
"""


def test_a_start_imports_neither_sparse_matrices_nor_telemetry_until_it_has_to() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
