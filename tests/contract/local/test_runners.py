"""Both runners by the same claims: what they start is reached, limited, ended and never left."""

import os
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from kennel.errors import UserError
from kennel.local.aws.running.instances import Limits, limits
from kennel.local.aws.running.runner_docker import IMAGE, DockerRunner
from kennel.local.aws.running.runner_processes import ProcessRunner
from tests.contract.local.workbench import (
    DOCKERFILE,
    SERVER,
    START,
    TRAINER,
    Workbench,
    ended,
)
from tests.contract.local.workload import program, wait_until


@pytest.fixture(scope="module")
def image(docker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A small image with the programs in it, on the base of our own."""
    folder = tmp_path_factory.mktemp("image")
    for package, text in (("server", SERVER), ("trainer", TRAINER)):
        made = program(folder, text, package)["PYTHONPATH"]
        shutil.move(Path(made, package), folder / package)
    (folder / "Dockerfile").write_text(DOCKERFILE)
    (folder / "start.py").write_text(START)
    text = (Path(__file__).parents[3] / "images/serve/Dockerfile").read_text()
    base = text.partition("ARG BASE=")[2].split()[0]
    tag = f"kennel-runner-test:{uuid.uuid4().hex[:8]}"
    command = [docker, "build", "--quiet", "--build-arg", f"BASE={base}", "--tag", tag, folder]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    yield tag
    subprocess.run([docker, "rmi", "--force", tag], capture_output=True, check=False)


@pytest.fixture(scope="module")
def in_processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    folder, state = tmp_path_factory.mktemp("programs"), tmp_path_factory.mktemp("processes")
    server = program(folder, SERVER, "server")["PYTHONPATH"]
    trainer = program(folder, TRAINER)["PYTHONPATH"]
    found = Workbench(ProcessRunner(state), state, "", {"PYTHONPATH": f"{server}:{trainer}"})
    yield found
    found.runner.remove_all()


@pytest.fixture(scope="module")
def in_docker(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    state = tmp_path_factory.mktemp("docker")
    found = Workbench(DockerRunner(state), state, image, {})
    yield found
    found.runner.remove_all()


@pytest.fixture(scope="module", params=["in_processes", "in_docker"])
def bench(request: pytest.FixtureRequest) -> Workbench:
    found: Workbench = request.getfixturevalue(request.param)
    return found


def test_a_server_answers_on_loopback_and_ends_by_sigterm(bench: Workbench) -> None:
    server = bench.serve(environment=bench.environment | {"COLOUR": "green"})
    assert server.running.address.startswith("http://127.0.0.1:")
    assert server.ask("os.environ['COLOUR']") == "green"
    assert server.ask("(ml / 'model/weights').read_text()") == "heavy"
    server.running.terminate()
    assert ended(server.running) == 0
    with pytest.raises(httpx.HTTPError):
        server.ask("1")


def test_two_servers_live_side_by_side(bench: Workbench) -> None:
    one, other = bench.serve(), bench.serve()
    assert one.running.address != other.running.address
    assert one.ask("3") == other.ask("3") == "3"
    for server in (one, other):
        server.running.kill()
        ended(server.running)


def test_a_large_answer_comes_whole(bench: Workbench) -> None:
    server = bench.serve()
    assert len(server.ask("'x' * 6_000_000")) == 6_000_000
    server.running.kill()
    ended(server.running)


def test_what_a_job_writes_is_kept_and_its_exit_code_known(bench: Workbench) -> None:
    running = bench.train("print('hello'); (ml / 'output/failure').write_text('why'); sys.exit(7)")
    assert ended(running) == 7
    assert running.address == ""
    assert "hello" in running.log.read_text()
    root = bench.state / running.log.stem
    assert (root / "output/failure").read_text() == "why"
    assert (root / "output/failure").owner() == bench.state.owner()


def test_no_settings_of_the_user_get_in(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    running = bench.train("print([name for name in os.environ if name.startswith('AWS')])")
    assert ended(running) == 0
    assert running.log.read_text().strip() == "[]"


def test_sigterm_reaches_the_job_and_sigkill_all_it_started(bench: Workbench) -> None:
    running = bench.train(
        "subprocess.Popen(['sleep', '54321'], start_new_session=True)\n"
        "signal.signal(signal.SIGTERM, lambda *_: print('told', flush=True))\n"
        "print('ready', flush=True)\n"
        "while True: time.sleep(1)"
    )
    wait_until(lambda: "ready" in running.log.read_text())
    running.terminate()
    wait_until(lambda: "told" in running.log.read_text())
    assert running.exit_code() is None
    running.kill()
    assert ended(running) == 137
    assert not sleeping()


def test_processes_of_a_job_end_with_its_first(bench: Workbench) -> None:
    running = bench.train("subprocess.Popen(['sleep', '54321'], start_new_session=True)")
    assert ended(running) == 0
    assert not sleeping()


def test_an_unhandled_sigterm_is_told_as_docker_does(bench: Workbench) -> None:
    running = bench.train(
        "signal.signal(signal.SIGTERM, lambda *_: os._exit(143))\n"
        "print('ready', flush=True); time.sleep(60)"
    )
    wait_until(lambda: "ready" in running.log.read_text())
    running.terminate()
    assert ended(running) == 143


def test_memory_is_that_of_the_instance_type(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("runner_docker", "runner_processes"):
        name = f"kennel.local.aws.running.{module}.limits"
        monkeypatch.setattr(name, lambda _: Limits(1, 256 << 20))
    running = bench.train("held = b'x' * (400 << 20); print('held', flush=True); time.sleep(60)")
    assert ended(running) == 137
    assert "hosts" not in running.log.read_text()


def test_hosts_of_a_job_see_each_other(bench: Workbench) -> None:
    names = bench.runner.hosts(2)
    assert list(names) == sorted(names)
    meet = """
first, mine = %r, %r
if mine == first:
    import socket
    with socket.create_server((mine, 29400)) as listener:
        print(listener.accept()[0].recv(100).decode())
else:
    import socket
    for _ in range(200):
        try:
            with socket.create_connection((first, 29400), 1) as peer:
                peer.sendall(b'met')
            break
        except OSError:
            time.sleep(0.05)
"""
    network = f"job-{uuid.uuid4().hex[:6]}"
    hosts = [bench.train(meet % (names[0], name), host=name, network=network) for name in names]
    assert [ended(host) for host in hosts] == [0, 0]
    assert "met" in hosts[0].log.read_text()
    bench.runner.forget(network)


def test_two_jobs_have_hosts_of_their_own(bench: Workbench) -> None:
    if isinstance(bench.runner, ProcessRunner):
        assert not set(bench.runner.hosts(3)) & set(bench.runner.hosts(3))
    assert bench.runner.hosts(12)[1:3] != bench.runner.hosts(2)


def test_accounts_side_by_side_do_not_meet(bench: Workbench, tmp_path: Path) -> None:
    other = Workbench(type(bench.runner)(tmp_path), tmp_path, bench.image, bench.environment)  # type: ignore[call-arg]
    code = (
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))\n"
        "print('ready', flush=True); time.sleep(600)"
    )
    mine, theirs = bench.train(code, name="twin"), other.train(code, name="twin")
    for each in (mine, theirs):
        wait_until(lambda each=each: "ready" in each.log.read_text())
    mine.kill()
    assert ended(mine) == 137
    theirs.terminate()
    assert ended(theirs) == 3
    if isinstance(bench.runner, ProcessRunner):
        assert not set(bench.runner.hosts(2)) & set(other.runner.hosts(2))


def test_nothing_is_left_of_a_runner_that_crashed(bench: Workbench) -> None:
    running = bench.train("print('ready', flush=True); time.sleep(600)")
    wait_until(lambda: "ready" in running.log.read_text())
    type(bench.runner)(bench.state)  # type: ignore[call-arg]
    assert ended(running) == 137


def test_what_a_container_wrote_before_a_crash_is_had_back(
    in_docker: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Containers write as root; who is not root could neither start again nor delete it."""
    user = os.getuid() or 4711
    monkeypatch.setattr(os, "getuid", lambda: user)
    bench = Workbench(DockerRunner(tmp_path), tmp_path, in_docker.image, {})
    running = bench.train(
        "(ml / 'output/own').mkdir(0o700); (ml / 'output/own/file').touch()\n"
        "print('ready', flush=True); time.sleep(600)"
    )
    wait_until(lambda: "ready" in running.log.read_text())
    running._at_end = None  # type: ignore[attr-defined] # we are killed, and give nothing back
    assert (bench.state / running.log.stem / "output/own").stat().st_uid == 0
    DockerRunner(tmp_path)
    assert {path.stat().st_uid for path in tmp_path.rglob("*")} == {user}

    (tmp_path / IMAGE).write_text("gone")
    monkeypatch.setattr(os, "getuid", lambda: user + 1)
    with pytest.raises(UserError, match=f"belong to root.*sudo rm -r {tmp_path.parent}"):
        DockerRunner(tmp_path)


def test_only_a_server_that_is_not_isolated_reaches_what_listens(in_docker: Workbench) -> None:
    """What listens is a third container, on the bridge where Docker puts those with a network."""
    target, open_, walled = (in_docker.serve(isolated=flag) for flag in (False, False, True))
    host = target.ask("__import__('socket').gethostbyname(__import__('socket').gethostname())")
    code = f"__import__('socket').create_connection(({host!r}, 8080), 1) and 'reached'"
    assert open_.ask(code) == "reached"
    assert "Error" in walled.ask(code)
    assert walled.ask("os.listdir('/sys/class/net')") == "['lo']"
    for server in (target, open_, walled):
        server.running.kill()
        ended(server.running)


def test_an_isolated_server_does_not_reach_this_machine(in_docker: Workbench) -> None:
    with socket.create_server(("0.0.0.0", 0)) as here:  # noqa: S104 - what must not be reached
        port = here.getsockname()[1]
        server = in_docker.serve()
        for host in addresses_of_this_machine():
            code = f"__import__('socket').create_connection(({host!r}, {port}), 1)"
            assert "Error" in server.ask(code), host
        server.running.kill()
        ended(server.running)


def test_the_model_folder_cannot_be_written(in_docker: Workbench) -> None:
    server = in_docker.serve()
    assert "Read-only file system" in server.ask("(ml / 'model/new').write_text('x')")
    server.running.kill()
    ended(server.running)


def test_hosts_that_are_isolated_have_no_way_out(in_docker: Workbench) -> None:
    network = f"job-{uuid.uuid4().hex[:6]}"
    name = in_docker.runner.hosts(1)[0]
    target = in_docker.serve(isolated=False)
    host = target.ask("__import__('socket').gethostbyname(__import__('socket').gethostname())")
    code = f"import socket; socket.create_connection(({host!r}, 8080), 2)"
    assert ended(in_docker.train(code, isolated=False)) == 0
    assert ended(in_docker.train(code, host=name, network=network)) == 1
    target.running.kill()
    ended(target.running)
    alone = in_docker.train("import socket; print(socket.gethostbyname('algo-1'))", host=name)
    assert ended(alone) == 0, alone.log.read_text()
    in_docker.runner.forget(network)


def test_docker_gives_the_cpus_that_there_are(in_docker: Workbench) -> None:
    running = in_docker.train("time.sleep(0.1)", instance_type="ml.c6i.32xlarge")
    assert ended(running) == 0, running.log.read_text()


def test_an_image_that_is_missing_is_named(in_docker: Workbench) -> None:
    with pytest.raises(UserError, match=r"no image nobody/has:this.*docker tag"):
        in_docker.runner.start(in_docker.container("train", image="nobody/has:this"))


def test_an_image_is_found_by_the_digest_at_the_end_of_its_address(
    in_docker: Workbench, docker: str
) -> None:
    inspect = [docker, "image", "inspect", "--format", "{{.Id}}", in_docker.image]
    found = subprocess.run(inspect, capture_output=True, text=True, check=True).stdout.strip()
    running = in_docker.train(
        "pass", image=f"123456789012.dkr.ecr.eu-west-1.amazonaws.com/x@{found}"
    )
    assert ended(running) == 0


@pytest.mark.parametrize(
    ("name", "cpus", "gigabytes"),
    [
        ("ml.c6i.large", 2, 4),
        ("ml.m5.4xlarge", 16, 64),
        ("ml.g5.xlarge", 4, 16),
        ("ml.t3.medium", 2, 4),
        ("ml.m7i-flex.2xlarge", 8, 32),
        ("ml.m8g.medium", 1, 4),
        ("ml.g6e.xlarge", 4, 32),
        ("ml.p3.2xlarge", 8, 61),
        ("ml.p4d.24xlarge", 96, 1152),
        ("ml.p5.48xlarge", 192, 2048),
        ("ml.p6-b200.48xlarge", 192, 2048),
        ("ml.inf1.xlarge", 4, 8),
        ("ml.trn1.2xlarge", 8, 32),
        ("ml.trn2.48xlarge", 192, 2048),
        ("something else", 2, 8),
    ],
)
def test_limits_follow_from_the_name(name: str, cpus: int, gigabytes: int) -> None:
    assert limits(name) == Limits(cpus, gigabytes << 30)


def sleeping() -> list[int]:
    """What a test has started and should be gone; it takes a moment after a container's end."""
    deadline = time.monotonic() + 60
    while True:
        found = [p.pid for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == SLEEP]
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(0.1)


SLEEP = ["sleep", "54321"]


def addresses_of_this_machine() -> list[str]:
    return [
        each.address
        for addresses in psutil.net_if_addrs().values()
        for each in addresses
        if each.family == socket.AF_INET
    ]
