"""Every test: the units first, for their answer in seconds, then the others in two lanes.

Side by side, because they wait for processes, containers and Terraform more than they compute. The
first lane is shown as it goes, the second one when it has ended.
"""

import subprocess
import sys
import tempfile

PYTEST = [sys.executable, "-m", "pytest"]
SHOWN = ["tests/contract", "tests/security", "tests/terraform"]
BESIDE = ["tests/e2e"]


def main() -> int:
    units = subprocess.call([*PYTEST, "tests/unit"])
    with tempfile.TemporaryFile("w+") as output:
        beside = subprocess.Popen([*PYTEST, *BESIDE], stdout=output, stderr=subprocess.STDOUT)
        try:
            shown = subprocess.call([*PYTEST, *SHOWN])
            print(f"\nWaiting for {' '.join(BESIDE)} ...", flush=True)
            beside.wait()
        except KeyboardInterrupt:
            beside.wait()  # the terminal's Ctrl-C has reached it too
            return 130
        output.seek(0)
        print(output.read(), flush=True)
    return units or shown or beside.returncode


if __name__ == "__main__":
    sys.exit(main())
