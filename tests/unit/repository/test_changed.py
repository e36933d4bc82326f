"""`make test ARGS=--changed`: what a change can break, and that the map of it is whole."""

import ast
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from changed import EVERYTHING, PARTS, STARTS, breakable, imported_by, longest
from suite import all_tests

from tests.conftest import ROOT

TESTS = all_tests()

# What a test's source says when it uses a part: a module it imports, or a word it gives to others.
PACKAGES = {
    "kennel.local": "local",
    "kennel": "command",
    "trainer": "trainer",
    "server": "server",
    "invoke": "function",
}
FOLDERS = {folder: part for folder, part in PARTS.items() if part in EVERYTHING}


@cache
def modules_by_test() -> dict[str, set[str]]:
    """Return for each test file itself, the modules it imports, and the conftest.py above it."""
    above = {
        test: {f"{folder}/conftest.py" for folder in Path(test).parents[:-2]} for test in TESTS
    }
    conftests = {each for found in above.values() for each in found if (ROOT / each).exists()}
    found = {test: {test, *(above[test] & conftests)} for test in TESTS}
    importers = imported_by([*TESTS, *sorted(conftests)])
    for module, files in importers.items():
        for test in TESTS:
            if files & {test, *above[test]}:
                found[test].add(module)
    return {test: modules - {"tests/conftest.py"} for test, modules in found.items()}


@cache
def parts_in(module: str) -> frozenset[str]:
    """Return the parts that a module imports, starts with `-m`, or names a folder of."""
    names: list[str] = []
    found: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / module).read_text())):
        match node:
            case ast.Import():
                names += [alias.name for alias in node.names]
            case ast.ImportFrom():
                names += [f"{node.module}.{alias.name}" for alias in node.names]
            case ast.List(elts=words) | ast.Tuple(elts=words):
                texts = [each.value if isinstance(each, ast.Constant) else "" for each in words]
                names += [str(name) for option, name in pairwise(texts) if option == "-m"]
            case ast.Constant(value=str(text)):
                found |= {part for folder, part in FOLDERS.items() if folder in f"{text}/"}
    for each in names:
        package = longest([f"{name}." for name in PACKAGES], f"{each}.")
        found |= {PACKAGES[package.removesuffix(".")]} if package else set()
    return frozenset(found)


@pytest.mark.parametrize("folder", STARTS)
def test_the_map_has_every_part_that_a_folder_names(folder: str) -> None:
    files = [test for test in TESTS if longest(STARTS, test) == folder]
    assert files, f"{folder} holds no test: take it out of STARTS"
    for test in files:
        for module in modules_by_test()[test]:
            missing = parts_in(module) - STARTS[folder]
            assert not missing, f"{module} names {missing}: add them to STARTS[{folder!r}]"


def test_every_test_has_a_place_in_the_map() -> None:
    assert [test for test in TESTS if not longest(STARTS, test)] == []
    assert [path for path in PARTS if not (ROOT / path).exists()] == []


@pytest.mark.parametrize(
    ("changed", "broken", "whole"),
    [
        ("images/serve/server/app.py", "tests/contract/server/", "tests/unit/trainer/"),
        ("images/train/trainer/train.py", "tests/unit/trainer/", "tests/unit/function/"),
        ("functions/invoke/fetch.py", "tests/security/function/", "tests/unit/trainer/"),
        ("scripts/kennel/local/gateway.py", "tests/contract/local/", "tests/unit/server/"),
        ("terraform/modules/fleet/main.tf", "tests/terraform/", "tests/unit/function/"),
        ("docs/costs.md", "tests/terraform/", "tests/contract/trainer/"),
    ],
)
def test_a_part_breaks_the_folders_that_start_it(changed: str, broken: str, whole: str) -> None:
    found = breakable([changed], TESTS)
    assert {test for test in TESTS if test.startswith(broken)} <= set(found)
    assert not [test for test in found if test.startswith(whole)]


@pytest.mark.parametrize(
    "changed", ["requirements/dev.lock", "Makefile", "scripts/tools/suite.py", "tests/conftest.py"]
)
def test_what_belongs_to_no_part_can_break_everything(changed: str) -> None:
    assert breakable([changed], TESTS) == TESTS


def test_a_test_breaks_itself_and_a_helper_those_that_use_it() -> None:
    [first, *_] = TESTS
    assert breakable([first], TESTS) == [first]
    found = breakable(["tests/contract/local/workload.py"], TESTS)
    assert "tests/e2e/local/test_jobs.py" in found
    assert "tests/contract/local/test_jobs.py" in found
    assert "tests/unit/function/test_settings.py" not in found


def test_a_change_without_consequences_breaks_nothing() -> None:
    assert breakable(["LICENSE", "CHANGELOG.md"], TESTS) == []
