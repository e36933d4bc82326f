"""Which test files a change can break: `make test ARGS=--changed`.

A change to a part's files can break the tests of the folders that start the part; a change to a
test file, that file; a change to another module of the tests, the files that import it and those
beside it. What belongs to no part (locks, Makefile, tools, tests/conftest.py) can break every test.
"""

import ast
import subprocess
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[2]

# Where each part's files are. The longest prefix decides.
PARTS = {
    "images/train/": "trainer",
    "images/serve/": "server",
    "functions/": "function",
    "scripts/kennel/": "command",
    "scripts/kennel/local/": "local",
    "terraform/": "terraform",
    "notebooks/": "documents",
    "docs/": "documents",
    "README.md": "documents",
    "CHANGELOG.md": "nothing",
    "CONTRIBUTING.md": "nothing",
    "LICENSE": "nothing",
    "SECURITY.md": "nothing",
    ".github/": "terraform",  # checkov reads it
    ".checkov.yaml": "terraform",
}
EVERYTHING = frozenset(PARTS.values()) - {"nothing"}

# Which parts the tests of a folder import, start or read. The longest prefix decides.
STARTS = {
    "tests/unit/command/": {"command", "local", "trainer", "terraform", "documents"},
    "tests/unit/function/": {"function"},
    "tests/unit/local/": EVERYTHING - {"documents"},
    "tests/unit/repository/": EVERYTHING,
    "tests/unit/server/": {"server", "trainer"},
    "tests/unit/trainer/": {"trainer", "command"},
    "tests/contract/command/": EVERYTHING,
    "tests/contract/function/": {"function", "command", "local", "documents"},
    "tests/contract/local/": EVERYTHING,
    "tests/contract/server/": {"server", "trainer", "command", "documents"},
    "tests/contract/trainer/": {"trainer", "command"},
    "tests/security/function/": {"function"},
    "tests/security/repository/": EVERYTHING,
    "tests/terraform/": EVERYTHING - {"server"},
    "tests/e2e/": EVERYTHING,
}


def longest(prefixes: Iterable[str], path: str) -> str:
    """Return the longest of the prefixes that a path has, or ""."""
    return max((each for each in prefixes if path.startswith(each)), key=len, default="")


def changed_files(since: str) -> list[str]:
    """Return what differs from where this branch left `since`, committed or not."""

    def git(*arguments: str) -> list[str]:
        run = subprocess.run(
            ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True
        )
        return run.stdout.splitlines()

    try:
        [base] = git("merge-base", "HEAD", since)
    except subprocess.CalledProcessError as error:
        raise SystemExit(f"--changed={since}: {error.stderr.strip()}") from None
    return git("diff", "--name-only", base) + git("ls-files", "--others", "--exclude-standard")


def changed_tests(since: str, tests: Sequence[str]) -> list[str]:
    return breakable(changed_files(since), tests)


def breakable(changed: Iterable[str], tests: Sequence[str]) -> list[str]:
    """Return the test files that changed files can break, in the order of `tests`."""
    importers = imported_by(tests)
    found: set[str] = set()
    for path in changed:
        if path.startswith("tests/") and path != "tests/conftest.py":
            folder = f"{PurePosixPath(path).parent}/"
            beside = () if path in tests else (test for test in tests if test.startswith(folder))
            found |= {path, *importers.get(path, ()), *beside}
            continue
        part = PARTS.get(longest(PARTS, path), "")
        if part != "nothing":
            found |= {t for t in tests if not part or part in STARTS[longest(STARTS, t)]}
    return [test for test in tests if test in found]


def imported_by(tests: Sequence[str]) -> dict[str, set[str]]:
    """Return for each module under tests/ the test files that import it, directly or not."""
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "tests").rglob("*.py")}
    importers: dict[str, set[str]] = {}
    for test in tests:
        seen, waiting = set[str](), [test]
        while waiting:
            for name in names_of(waiting.pop()):
                file = f"{name.replace('.', '/')}.py"
                if file in modules and file not in seen:
                    seen.add(file)
                    waiting.append(file)
        for file in seen:
            importers.setdefault(file, set()).add(test)
    return importers


@cache
def names_of(file: str) -> set[str]:
    """Return the names that a module imports: modules, and members of them."""
    names: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / file).read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
    return names
