"""The notebook as a file; tests/e2e/local/test_journey.py runs what its cells say."""

import ast
import builtins
import json
import re

from tests.conftest import ROOT

NOTEBOOK = json.loads((ROOT / "notebooks/train_and_deploy.ipynb").read_text())
CODE = [each for each in NOTEBOOK["cells"] if each["cell_type"] == "code"]


def test_it_is_what_jupyter_opens() -> None:
    """As the schema of nbformat 4.5 has it."""
    assert (NOTEBOOK["nbformat"], NOTEBOOK["nbformat_minor"]) == (4, 5)
    assert NOTEBOOK.keys() == {"cells", "metadata", "nbformat", "nbformat_minor"}
    assert NOTEBOOK["metadata"]["kernelspec"]["name"] == "python3"
    ids = [each["id"] for each in NOTEBOOK["cells"]]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", each) for each in ids)
    own = {"code": {"execution_count", "outputs"}, "markdown": set()}
    for each in NOTEBOOK["cells"]:
        assert each.keys() == {"cell_type", "id", "metadata", "source"} | own[each["cell_type"]]
        assert all(isinstance(line, str) for line in each["source"])
        assert all(line.endswith("\n") for line in each["source"][:-1])


def test_it_holds_no_results_of_anybody() -> None:
    assert CODE
    assert all(each["outputs"] == [] and each["execution_count"] is None for each in CODE)
    assert all(each["metadata"] == {} for each in NOTEBOOK["cells"])


def test_each_cell_runs_by_itself_once_those_above_it_have() -> None:
    """Plain Python in each: what is one program when joined need not be so cell by cell."""
    known = set(dir(builtins))
    for cell in CODE:
        tree = ast.parse("".join(cell["source"]), cell["id"])
        names = [each for each in ast.walk(tree) if isinstance(each, ast.Name)]
        imported = [each for each in ast.walk(tree) if isinstance(each, ast.alias)]
        defined = [e for e in ast.walk(tree) if isinstance(e, ast.FunctionDef | ast.ClassDef)]
        arguments = [each.arg for each in ast.walk(tree) if isinstance(each, ast.arg)]
        known |= {each.id for each in names if isinstance(each.ctx, ast.Store)}
        known |= {(each.asname or each.name).split(".")[0] for each in imported}
        known |= {each.name for each in defined} | set(arguments)
        assert {each.id for each in names} <= known, cell["id"]
