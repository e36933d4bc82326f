"""One provider process for all of an account's Terraform, in the provider's own debug mode.

Left alone, each plan and each apply starts the provider two or three times, for more than a second
of a processor each.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kennel.local.terraform import environment
from tests.contract.local.conftest import REGION
from tests.terraform.conftest import REATTACH, TERRAFORM, attach, prepare


@contextmanager
def provider(terraform: str, address: str, build: Path) -> Iterator[dict[str, str]]:
    """The variable with which Terraform takes this process, for the account at an address.

    It finds `../../build`, as the roots name the folder of the function's zip.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    quiet = {"TF_IN_AUTOMATION": "1", "TF_INPUT": "0"}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "terraform/service")
        root.mkdir(parents=True)
        Path(folder, "build").symlink_to(build)
        data = Path(folder, "data")
        prepare(terraform, TERRAFORM / "platform", inherited | quiet, data)
        with attach(data, inherited | environment(address, REGION), root) as attached:
            yield {REATTACH: attached[REATTACH]}
