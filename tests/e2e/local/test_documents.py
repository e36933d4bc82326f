"""The README's path and the runbook, typed as they stand, on an emulated account with containers.

One account for the module: an empty one, to which the README's commands are given, in its order;
the runbook then finds two releases there. Nothing is known here of names, but by the documents.
"""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from kennel.local.aws.running.instances import limits
from tests.conftest import ROOT
from tests.e2e.local.person import Person, clone, section, typed
from tests.e2e.local.provider import provider

pytestmark = pytest.mark.long
README = (ROOT / "README.md").read_text()
RUNBOOK = (ROOT / "docs/operations.md").read_text()
ACCOUNT, PATH, NEXT = typed(section(README, "On AWS"))
FIRST_TRAINING, _ = [line for line in f"{PATH}\n{NEXT}".splitlines() if "make train" in line]
REACH = "import socket; socket.create_connection(('192.0.2.1', 443), 1)"
WRITE = "open('/opt/ml/model/new', 'w')"
NAMES = {"PREFIX": "kennel-dev", "BUCKET": "kennel-dev-data-123456789012", "ALARM": "ALARM"}


@pytest.fixture(scope="module")
def person(
    docker: str, terraform: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Person]:
    person = clone(tmp_path_factory.mktemp("person") / "kennel", terraform)
    try:
        yield person
    finally:
        person.types(".venv/bin/kennel local down")
        built = [docker, "image", "ls", "--quiet", "--filter", f"label={REVISION}={head(person)}"]
        for each in subprocess.run(
            built, capture_output=True, text=True, check=True
        ).stdout.split():
            subprocess.run([docker, "rmi", "--force", each], capture_output=True, check=False)


REVISION = "org.opencontainers.image.revision"


def head(person: Person) -> str:
    return person.types("git rev-parse HEAD").strip()


@pytest.fixture(scope="module")
def path(person: Person, terraform: str) -> Iterator[list[str]]:
    """What the README's three blocks say when they are typed."""
    account = person.types(ACCOUNT)
    address = person.environment["AWS_ENDPOINT_URL"]
    with provider(terraform, address, person.home / "build") as attached:
        person.environment |= attached
        yield [account, *(person.types(block) for block in (PATH, NEXT))]
        person.environment = {k: v for k, v in person.environment.items() if k not in attached}


def serving(person: Person) -> list[int]:
    releases = json.loads(person.types("kennel models list --json"))["releases"]
    return [each["release"] for each in releases if each["serving"]]


def image_of(docker: str, person: Person) -> dict[str, Any]:
    """What Docker says of the serving image that was built and pushed."""
    tag = json.loads(person.types("cat build/releases/dev/images.json"))["serve"]["tag"]
    return inspected(docker, f"kennel/serve:{tag}")


def inspected(docker: str, name: str) -> dict[str, Any]:
    run = subprocess.run([docker, "inspect", name], capture_output=True, check=True)
    [found] = json.loads(run.stdout)
    return dict(found)


def listed(docker: str, *arguments: str) -> list[str]:
    run = subprocess.run([docker, *arguments], capture_output=True, text=True, check=True)
    return run.stdout.split()


def server_of(docker: str, person: Person) -> dict[str, Any]:
    """What Docker says of the only container of the endpoint that serves."""
    names = listed(docker, "ps", "--format={{.Names}}", "--filter=label=kennel.local")
    found = [inspected(docker, each) for each in names if f"-{NAMES['PREFIX']}-live-" in each]
    state = str(person.home / ".kennel/local/state")
    [server] = [
        each for each in found
        if not each["Name"].endswith("-door") and state in json.dumps(each["Mounts"])
    ]  # fmt: skip
    return server


def test_the_readme_leads_from_nothing_to_an_answer_of_the_api(
    docker: str, person: Person, path: list[str]
) -> None:
    _, told, _ = path
    assert re.search(r"40 classified, [\d.]+/s", told), told[-3000:]
    assert "deployed release 1 in dev, instead of nothing" in told
    assert "8 test pictures through the API, all answered as after training" in told
    took = r"^all of it took [^;]+; 1 x ml\.\S+ serve: about \$[\d.]+ an hour"
    assert re.search(took, told, re.M), told[-3000:]
    server, built = server_of(docker, person), image_of(docker, person)
    assert server["Image"] == built["Id"], "a container of the image that was built"


def test_the_release_was_trained_in_a_container_of_the_pushed_image(
    person: Person, path: list[str]
) -> None:
    assert path
    job = job_of(person, 1)
    describe = f"aws sagemaker describe-training-job --training-job-name {job}"
    found = json.loads(person.types(describe))
    assert found["TrainingJobStatus"] == "Completed"
    assert found["EnableNetworkIsolation"]
    images = json.loads(person.types("cat build/releases/dev/images.json"))
    image = found["AlgorithmSpecification"]["TrainingImage"]
    assert image == images["train"]["image"]
    assert image.partition("@")[2].startswith("sha256:")


def test_the_server_has_the_limits_of_its_instance(
    docker: str, person: Person, path: list[str]
) -> None:
    assert path
    server = server_of(docker, person)
    config = json.loads(
        person.types(
            "aws sagemaker describe-endpoint-config --endpoint-config-name $(aws sagemaker "
            f"describe-endpoint --endpoint-name {NAMES['PREFIX']} --query EndpointConfigName "
            "--output text)"
        )
    )
    most = limits(config["ProductionVariants"][0]["InstanceType"])
    host = server["HostConfig"]
    assert host["NetworkMode"] == "none"
    assert host["Memory"] == host["MemorySwap"] == most.memory
    assert host["NanoCpus"] == min(most.cpus, os.cpu_count() or 1) * 10**9
    [model] = [each for each in server["Mounts"] if each["Destination"] == "/opt/ml/model"]
    assert not model["RW"]
    for code, error in ((REACH, "Network is unreachable"), (WRITE, "Read-only file system")):
        command = [docker, "exec", server["Id"], "python", "-c", code]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert error in done.stderr


def test_the_serving_image_is_one_plain_image_of_the_right_stage(
    docker: str, person: Person, path: list[str]
) -> None:
    assert path
    found = image_of(docker, person)
    assert found["Architecture"] == "amd64"
    assert found["Config"]["Entrypoint"] == ["python", "-m", "server"]
    assert found["Config"]["Labels"][REVISION] == head(person)
    assert found["Size"] < 800e6, "the stage for GPUs was built"


def test_and_to_a_second_release_and_back(person: Person, path: list[str]) -> None:
    _, _, told = path
    assert "deployed release 2 in dev, instead of release 1" in told
    assert "deployed release 1 in dev, instead of release 2" in told
    assert serving(person) == [1]
    again = person.types("make plan STACK=service ENV=dev")
    assert "No changes." in again, "what the rollback left is what Terraform knows"


def lines(title: str, **names: str) -> list[str]:
    """The runbook's commands of a section; capitals filled in."""
    known = NAMES | names
    text = "".join(typed(section(RUNBOOK, title)))
    capitals = re.compile(r"\b(" + "|".join(known) + r")\b")
    return [capitals.sub(lambda found: known[found[1]], line) for line in text.splitlines() if line]


@pytest.fixture(scope="module")
def operator(person: Person, path: list[str]) -> Person:
    """Who has the runbook, the stack of the README's path, and a picture under several names."""
    assert path
    person.types(
        "mkdir holidays; picture=$(ls pictures/test/*/* | head -1)\n"
        "cp $picture holidays/dog.jpg; cp $picture picture.jpg"
    )
    return person


def job_of(operator: Person, release: int) -> str:
    shown = json.loads(operator.types(f"kennel models show {release} --json"))
    return str(shown["facts"]["job"])


def hyperparameters(line: str) -> dict[str, str]:
    """The `--set` options of a command line."""
    return dict(re.findall(r"--set (\w+)=([^\s']+)", line))


def option(line: str, name: str, default: Any) -> Any:
    found = re.search(rf"--{name} (\S+)", line)
    return found[1] if found else default


def json_in(printed: str) -> Any:
    """The JSON object with which the output of a command ends."""
    return json.loads(printed[printed.index("{") :])


def output(person: Person, root: str, name: str) -> Any:
    return json.loads(person.types(f"terraform -chdir=terraform/{root} output -json {name}"))


def predicted(person: Person, command: str) -> str:
    """The class that `kennel predict` prints for one picture; it is one of the set's."""
    printed = person.types(command)
    assert "1 classified" in printed
    [label] = re.findall(r"^\S+\.jpg +(\S+) +[\d.]+%", printed, re.M)
    assert (person.home / "pictures/test" / label).is_dir()
    return str(label)


def test_training_by_the_runbook(operator: Person) -> None:
    """What would train for hours prints its request: what was typed, else the platform's."""
    push, *trainings = lines("Train", NAME="unused")[:-6]
    count = len([each for each in operator.home.glob("pictures/*/*/*") if each.is_file()])
    printed = operator.types(push)
    assert "pushed 0 files" in printed
    assert f"; {count} were equal" in printed
    defaults = output(operator, "platform", "training_job")
    images = json.loads(operator.types("cat build/releases/dev/images.json"))
    tried = []
    for line in trainings:
        where = option(line, "where", "sagemaker")
        if where == "ec2":
            continue  # the throw-away stack has no fleet; tests/contract/command/jobs/test_fleet.py
        tried.append(where)
        request = json_in(operator.types(f"{line} --dry-run"))
        if where == "local":
            settings = hyperparameters(line)
            assert request == {"data": "pictures", "hyperparameters": settings}
            continue
        assert request["HyperParameters"] == hyperparameters(line)
        assert request["AlgorithmSpecification"]["TrainingImage"] == images["train"]["image"]
        [channel] = request["InputDataConfig"]
        assert channel["DataSource"]["S3DataSource"]["S3Uri"] == f"s3://{NAMES['BUCKET']}/dogs/"
        resources, stopping = request["ResourceConfig"], request["StoppingCondition"]
        kind = option(line, "instance-type", defaults["instance_type"])
        nodes = option(line, "nodes", defaults["instance_count"])
        assert (resources["InstanceType"], resources["InstanceCount"]) == (kind, int(nodes))
        seconds = float(option(line, "hours", defaults["max_runtime"] / 3600)) * 3600
        assert stopping["MaxRuntimeInSeconds"] == seconds
        assert request["EnableManagedSpotTraining"] == ("--spot" in line or defaults["spot"])
    assert sorted(tried) == ["local", "sagemaker", "sagemaker"]
    # The runbook types what the platform has by default: another type and market are taken too.
    other = f"{trainings[0]} --instance-type ml.m5.large --on-demand --dry-run"
    assert defaults["instance_type"] != "ml.m5.large"
    request = json_in(operator.types(other))
    assert request["ResourceConfig"]["InstanceType"] == "ml.m5.large"
    assert request["EnableManagedSpotTraining"] is False


def test_looking_at_a_job_by_the_runbook(operator: Person) -> None:
    job = job_of(operator, 1)
    listing, attach, logs, show, stop, resume = lines("Train", NAME=job)[-6:]
    assert re.search(rf"^ *{job} +sagemaker +Completed +20", operator.types(listing), re.M)
    release = json.loads(operator.types("kennel models show 1 --json"))
    *log, model_data = operator.types(attach).splitlines()
    assert model_data == release["model_data"]
    assert "  release 1, approved" in log, "it was a release already"
    epochs = re.findall(
        r"^algo-1\S*  event=epoch epoch=(\d+) epochs=(\d+) ", operator.types(logs), re.M
    )
    assert len(epochs) > 1
    assert epochs == [(str(n), str(len(epochs))) for n in range(1, len(epochs) + 1)]
    state = json_in(operator.types(show))
    found = {name: state[name] for name in ("name", "where", "state", "spot")}
    assert found == {"name": job, "where": "sagemaker", "state": "Completed", "spot": True}
    assert state["seconds"] > 0
    assert f"{job} has ended: Completed" in operator.types(stop)
    request = json_in(operator.types(f"{resume} --dry-run"))
    assert request["TrainingJobName"] != job
    assert request["HyperParameters"] == hyperparameters(FIRST_TRAINING)
    assert request["CheckpointConfig"]["S3Uri"].endswith(f"/checkpoints/{job}")


def test_searching_by_the_runbook(operator: Person) -> None:
    [ranges] = re.findall(r"^```yaml\n(.*?)^```", RUNBOOK, re.M | re.S)
    (operator.home / "ranges.yaml").write_text(ranges)
    small = "{architecture: shufflenet_v2_x0_5, epochs: 1, size: 64}"
    (operator.home / "few.yaml").write_text(f"jobs: 1\nranges: {{rate: [0.1]}}\nfixed: {small}\n")
    name = operator.types("kennel tune few.yaml dogs --detach 2>/dev/null").strip()
    on_sagemaker, here, attach, stop = lines("Search for hyperparameters", NAME=name)
    plan = yaml.safe_load(ranges)
    fixed = {each: str(value) for each, value in plan["fixed"].items()}

    request = json_in(operator.types(f"{on_sagemaker} --dry-run"))
    config = request["HyperParameterTuningJobConfig"]
    assert config["Strategy"].lower() == plan["strategy"]
    assert config["ResourceLimits"] == {
        "MaxNumberOfTrainingJobs": plan["jobs"],
        "MaxParallelTrainingJobs": plan["parallel"],
    }
    searched = [each for group in config["ParameterRanges"].values() for each in group]
    assert {each["Name"] for each in searched} == plan["ranges"].keys()
    assert request["TrainingJobDefinition"]["StaticHyperParameters"] == fixed
    assert request["TrainingJobDefinition"]["EnableManagedSpotTraining"]

    request = json_in(operator.types(f"{here} --dry-run"))
    assert request["data"] == "pictures"
    assert {each["name"] for each in request["ranges"]} == plan["ranges"].keys()
    assert request["fixed"] == fixed
    same = ("strategy", "jobs", "parallel", "early_stopping")
    assert {each: request[each] for each in same} == {each: plan[each] for each in same}

    assert name in operator.types(stop)
    assert f"{name} has no result" in operator.types(attach, code=3)
    describe = "aws sagemaker describe-hyper-parameter-tuning-job --hyper-parameter-tuning-job-name"
    assert (
        json.loads(operator.types(f"{describe} {name}"))["HyperParameterTuningJobStatus"]
        == "Stopped"
    )


def test_deploying_and_rolling_back_by_the_runbook(operator: Person) -> None:
    first, second = [
        json.loads(operator.types(f"kennel models show {number} --json"))["facts"]
        for number in (1, 2)
    ]
    listing, show, compare, approve, dry_run, deploy, predict, add = lines(
        "Deploy", JOB=first["job"]
    )
    printed = operator.types(listing)
    assert re.search(r"^ *1 +approved, serving +", printed, re.M)
    assert re.search(rf"^ *2 +approved +\S+ +{second['version']} ", printed, re.M)
    assert re.search(rf"^ *job +{second['job']}", operator.types(show), re.M)
    versions = rf"^ *version +{first['version']} +{second['version']}"
    assert re.search(versions, operator.types(compare), re.M)
    assert "release 2 is approved" in operator.types(approve)
    assert "would deploy release 2 in dev, instead of release 1" in operator.types(dry_run)
    assert serving(operator) == [1]
    printed = operator.types(deploy)
    assert "8 test pictures through the API, all answered as after training" in printed
    assert "deployed release 2 in dev, instead of release 1" in printed
    assert serving(operator) == [2]
    assert predicted(operator, predict)
    assert "release 1, approved" in operator.types(add), "it was a release already"

    dry_run, rollback, reject = lines("Roll back")
    assert "would deploy release 1 in dev, instead of release 2" in operator.types(dry_run)
    assert serving(operator) == [2]
    assert "deployed release 1 in dev, instead of release 2" in operator.types(rollback)
    assert serving(operator) == [1]
    assert "release 2 is rejected" in operator.types(reject)
    refused = operator.types("kennel deploy 2", code=1)
    assert "release 2 is rejected" in refused


def test_many_pictures_by_the_runbook(operator: Person) -> None:
    [rows, table] = [
        operator.types(line) for line in lines("Many pictures at once", FOLDER="dogs/valid")
    ]
    assert len(re.findall(r"^s3://.*,00\d\.\w+,[\d.]+$", rows, re.M)) == 40
    assert "... and 20 more" in table
    assert re.search(r"s of 2 x ml\.", table)


def test_rotating_keys_by_the_runbook(operator: Person) -> None:
    """But for `get-usage`, which no emulator knows: tests/unit/command/jobs/test_operations.py."""

    def let_in(key: str) -> bool:
        told = operator.types(f"KENNEL_API_KEY={key} kennel predict picture.jpg || true")
        answered, refused = "1 classified" in told, "does not let us in (403" in told
        assert answered != refused, told
        return answered

    outputs = "terraform -chdir=terraform/service output -raw api_key"
    old = operator.types(outputs)
    find, create, _, replace, _ = lines("Rotate keys")
    [plan_id] = json.loads(operator.types(find))
    [bridge_id, bridge] = json.loads(operator.types(create))
    names = {"PLAN": plan_id, "BRIDGE": bridge_id}
    assert not let_in(bridge)
    operator.types(lines("Rotate keys", **names)[2])
    assert (let_in(old), let_in(bridge)) == (True, True)
    operator.types(replace)
    new = operator.types(outputs)
    assert (let_in(old), let_in(bridge), let_in(new)) == (False, True, True)
    operator.types(lines("Rotate keys", **names)[-1])
    assert (let_in(bridge), let_in(new)) == (False, True)


def test_draining_by_the_runbook(operator: Person) -> None:
    stop, go_on = lines("Drain")
    assert json.loads(operator.types(stop)) == {"ReservedConcurrentExecutions": 0}
    refused = operator.types("kennel predict picture.jpg", code=3)
    assert "the function gave no usable answer" in refused
    label = predicted(operator, "kennel predict picture.jpg --endpoint")
    assert json.loads(operator.types(go_on)) == {"ReservedConcurrentExecutions": 10}
    assert predicted(operator, "kennel predict picture.jpg") == label
    operator.types(stop)
    operator.types("make plan apply STACK=service")
    assert predicted(operator, "kennel predict picture.jpg") == label


def json_lines(printed: str) -> list[dict[str, Any]]:
    """The JSON lines among log messages, between which the AWS CLI writes tabs."""
    return [json.loads(each) for each in re.split(r"[\t\n]", printed) if each.startswith("{")]


def test_an_incident_by_the_runbook(operator: Person) -> None:
    api, endpoint, server_log, function_log, describe, alarms, doctor = lines("When an alarm rings")
    assert predicted(operator, api) == predicted(operator, endpoint)
    requests = [each for each in json_lines(operator.types(server_log)) if "status" in each]
    assert 200 in {each["status"] for each in requests if each["message"] == "request"}
    requests = json_lines(operator.types(function_log))
    assert 200 in {each["status"] for each in requests if each["Endpoint"] == NAMES["PREFIX"]}
    found = json.loads(operator.types(describe))
    assert (found["EndpointName"], found["EndpointStatus"]) == (NAMES["PREFIX"], "InService")
    ringing = json.loads(operator.types(alarms))["MetricAlarms"]
    assert {each["StateValue"] for each in ringing} <= {"ALARM"}
    printed = operator.types(doctor)
    for root in ("platform", "service"):
        assert re.search(rf"^ok +{root} +dev in eu-west-1", printed, re.M)
    assert re.search(r"^ok +account +123456789012 as ", printed, re.M)


def test_the_service_can_be_destroyed_and_made_again(operator: Person) -> None:
    label = predicted(operator, "kennel predict picture.jpg")
    [destroy] = re.findall(r"`(make destroy [^`]+)`", section(RUNBOOK, "What to keep"))
    operator.types(f"export TF_CLI_ARGS_destroy=-auto-approve\n{destroy}")
    assert json.loads(operator.types("aws sagemaker list-endpoints"))["Endpoints"] == []
    assert "is not applied" in operator.types("kennel predict picture.jpg", code=1)
    assert "deployed release 1 in dev" in operator.types("kennel deploy 1")
    assert serving(operator) == [1]
    assert predicted(operator, "kennel predict picture.jpg") == label


def test_down_leaves_no_container_and_no_file(docker: str, operator: Person) -> None:
    label = server_of(docker, operator)["Config"]["Labels"]["kennel.local"]
    operator.types("kennel local down")
    assert listed(docker, "ps", "--all", "--quiet", f"--filter=label=kennel.local={label}") == []
    networks = ("network", "ls", "--quiet", f"--filter=label=kennel.local={label}")
    assert listed(docker, *networks) == []
    assert not (operator.home / ".kennel/local").exists()
