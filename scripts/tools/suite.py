"""Every test: the units first, for their answer in seconds, then the others beside them, in lanes.

Side by side, because they wait for processes, containers and Terraform more than they compute. The
first lane is shown as it goes, the others when they have ended. The end-to-end tests that ask for
the Docker engine share a lane, as several build and remove the same images; but for the longest,
whose images have names of their own.
"""

import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack

PYTEST = [sys.executable, "-m", "pytest"]
UNITS = ["tests/unit"]
SHOWN = ["tests/contract", "tests/security"]
FOLDERS = ["tests/terraform", "tests/e2e"]
LONGEST = "tests/e2e/local/test_documents.py"
BESIDE = [
    [LONGEST],
    [*FOLDERS, "-m", "not docker"],
    [*FOLDERS, "-m", "docker", f"--ignore={LONGEST}"],
]
START = 5.0  # seconds that the units have the machine for themselves


def main() -> int:
    with ExitStack() as stack:
        # What tests of several lanes need and takes long to make: tests/conftest.py.
        os.environ["KENNEL_SHARED"] = stack.enter_context(tempfile.TemporaryDirectory())
        units = subprocess.Popen([*PYTEST, *UNITS])
        beside = []
        time.sleep(START)
        for which in BESIDE:
            output = stack.enter_context(tempfile.TemporaryFile("w+"))
            command = [*PYTEST, *which]
            lane = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
            beside.append((lane, which, output))
        try:
            codes = [units.wait(), subprocess.call([*PYTEST, *SHOWN])]
            for lane, which, output in beside:
                print(f"\nWaiting for {' '.join(which)} ...", flush=True)
                codes.append(lane.wait())
                output.seek(0)
                print(output.read(), flush=True)
        except KeyboardInterrupt:
            for lane, *_ in beside:
                lane.wait()  # the terminal's Ctrl-C has reached them too
            return 130
    return next(filter(None, codes), 0)


if __name__ == "__main__":
    sys.exit(main())
