"""The distributed trainer."""

import sys

# OpenVINO's converter and NNCF would report to Google what they do, from a fork of a process with
# threads, which can hang for ever; they are ready to do without the package.
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment] # as Python's docs have it
