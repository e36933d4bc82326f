"""docs/costs.md says what the plans say."""

from typing import Any

from tests.conftest import ROOT
from tests.terraform.conftest import ENVIRONMENTS, ROOTS
from tests.terraform.costs import quantities, table


def test_the_document_agrees_with_the_plans(plans: dict[str, dict[str, Any]]) -> None:
    counted = {
        name: quantities([plans[f"{root}-{name}"] for root in ROOTS]) for name in ENVIRONMENTS
    }
    wanted = table(counted)
    document = ROOT.joinpath("docs/costs.md").read_text()
    assert wanted in document, f"put this table into docs/costs.md:\n\n{wanted}"
