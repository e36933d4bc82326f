"""How `make test` runs the tests: none is lost, whatever becomes of the process that runs it."""

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from suite import Group, Queue

from tests.conftest import ROOT

FILES = {
    "unit/test_good.py": """
        import pytest
        def test_passes(made): assert made == 1
        def test_skips(): pytest.skip("no engine")
        @pytest.mark.long
        def test_takes_long(): pass
    """,
    "unit/test_bad.py": """
        def test_fails(made): assert 6 * 7 == 43
        def test_passes(): pass
    """,
    "unit/test_torn.py": """
        import pytest
        @pytest.fixture
        def torn():
            yield
            raise RuntimeError("in teardown")
        def test_passes(torn): pass
    """,
    "contract/test_syntax.py": "def test_(",
    "contract/test_dies.py": """
        import os
        def test_ends_the_process(): os._exit(0)
    """,
    "conftest.py": """
        import pytest
        made_so_far = []
        @pytest.fixture(scope="session")
        def made():
            made_so_far.append(1)
            return len(made_so_far)
    """,
}
START = """
import sys
from pathlib import Path
import suite
suite.ROOT = Path.cwd()
suite.DURATIONS = suite.ROOT / "durations.json"
# CHANGE
sys.exit(suite.main())
"""
Suite = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    """Runs the suite on a tree of its own."""
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\naddopts = --disable-plugin-autoload\nmarkers =\n    long: later\n"
    )
    (tmp_path / "durations.json").write_text('{"tests/unit/test_gone.py": [1.0, 0.0]}\n')

    def run(
        *arguments: str, files: dict[str, str] = FILES, change: str = ""
    ) -> subprocess.CompletedProcess[str]:
        for name, text in files.items():
            path = tmp_path / "tests" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("\n".join(line.removeprefix(" " * 8) for line in text.splitlines()))
        return subprocess.run(
            [
                sys.executable,
                "-c",
                f"import sys; sys.path.insert(0, {TOOLS!r})\n{START.replace('# CHANGE', change)}",
                *arguments,
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


TOOLS = str(ROOT / "scripts/tools")


def test_each_failure_is_shown_and_counted_whatever_its_kind(suite: Suite) -> None:
    run = suite()
    assert run.returncode == 1
    failed = {line.removeprefix("FAILED ") for line in run.stdout.splitlines() if "FAILED " in line}
    assert failed == {
        "tests/unit/test_bad.py::test_fails",
        "tests/unit/test_torn.py::test_passes",
        "tests/contract/test_syntax.py",
        "tests/contract/test_dies.py",
    }
    for text in ("assert (6 * 7) == 43", "in teardown", "SyntaxError", "exit code 0"):
        assert text in run.stdout
    assert run.stdout.splitlines()[-1] == "2 passed, 4 failed, 1 skipped"
    assert "skipped 1: Skipped: no engine" in run.stdout


def test_the_two_halves_together_leave_nothing_out(suite: Suite) -> None:
    files = {name: FILES[name] for name in ("unit/test_good.py", "conftest.py")}
    short, long = suite(files=files), suite("--long", files=files)
    assert (short.returncode, long.returncode) == (0, 0)
    assert short.stdout.splitlines()[-1] == "1 passed, 0 failed, 1 skipped"
    assert long.stdout.splitlines()[-1] == "1 passed, 0 failed, 0 skipped"


def test_a_file_that_no_process_has_run_is_a_failure(suite: Suite) -> None:
    run = suite(
        files={"unit/test_good.py": FILES["unit/test_good.py"]}, change="suite.serve = lambda *_: 0"
    )
    assert run.returncode == 1
    assert "FAILED tests/unit/test_good.py\nno process has run it" in run.stdout


def test_the_longest_file_has_a_process_to_which_the_others_leave_the_processor(
    suite: Suite, tmp_path: Path
) -> None:
    other = """
        import os
        from pathlib import Path
        def test_(): Path(__file__).with_suffix(".nice").write_text(str(os.nice(0)))
    """
    longest = """
        import os, time
        from pathlib import Path
        def test_():
            deadline = time.monotonic() + 240
            while len(list(Path(__file__).parent.glob("*.nice"))) < 2:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            assert all(int(each.read_text()) > os.nice(0) for each in Path().rglob("*.nice"))
    """
    files = {"unit/test_a.py": other, "unit/test_longest.py": longest, "unit/test_z.py": other}
    (tmp_path / "durations.json").write_text('{"tests/unit/test_longest.py": [60.0, 0.0]}\n')
    run = suite(files=files, change="suite.UNKNOWN = 1.0")
    assert run.stdout.splitlines()[-1] == "3 passed, 0 failed, 0 skipped", run.stdout


def test_a_record_has_the_files_of_today(suite: Suite, tmp_path: Path) -> None:
    files = {name: FILES[name] for name in ("unit/test_good.py", "conftest.py")}
    assert suite("--record", files=files).returncode == 0
    recorded = (tmp_path / "durations.json").read_text()
    assert "tests/unit/test_good.py" in recorded
    assert "test_gone" not in recorded


def test_no_two_groups_use_the_docker_engine_at_once() -> None:
    uses = {"a": True, "b": True, "c": False}
    queue = Queue([Group([file], seconds=1, uses_docker=uses[file]) for file in uses])
    one, other = queue.take(), queue.take()
    assert next(one) == "a"
    assert next(other) == "c", "b would use the engine too"
    taken: list[str] = []
    waiting = threading.Thread(target=lambda: taken.extend(other))
    waiting.start()
    waiting.join(0.1)
    assert waiting.is_alive()
    taken.extend(one)
    waiting.join()
    assert taken == ["b"], "by one of the two"
