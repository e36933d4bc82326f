"""A training reports nothing to the makers of its libraries."""

import subprocess
import sys

CODE = """
import sys
from trainer import graph
from nncf.telemetry.wrapper import NNCFTelemetry, telemetry
from openvino.tools.ovc import telemetry_utils
print(sorted(name for name in sys.modules if name.startswith("openvino_telemetry.")))
print(telemetry_utils.tm.__name__, isinstance(telemetry, NNCFTelemetry))
"""


def test_neither_the_converter_nor_nncf_has_anything_to_report_with() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "openvino.tools.ovc.telemetry_stub False"]
