"""The README's path and the runbook, typed as they stand, on an emulated account with containers.

One account for the module: an empty one, to which the README's commands are given, in its order;
the runbook then finds two releases there. Nothing is known here of names, but by the documents.
"""

import json
import re
import subprocess
from collections.abc import Iterator

import pytest

from tests.conftest import ROOT
from tests.e2e.local.person import Person, clone, section, typed

pytestmark = pytest.mark.slow
README = (ROOT / "README.md").read_text()
RUNBOOK = (ROOT / "docs/operations.md").read_text()
ACCOUNT, PATH, NEXT = typed(section(README, "On AWS"))
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
def path(person: Person) -> list[str]:
    """What the README's three blocks say when they are typed."""
    return [person.types(block) for block in (ACCOUNT, PATH, NEXT)]


def serving(person: Person) -> list[int]:
    releases = json.loads(person.types("kennel models list --json"))["releases"]
    return [each["release"] for each in releases if each["serving"]]


def test_the_readme_leads_from_nothing_to_an_answer_of_the_api(
    docker: str, person: Person, path: list[str]
) -> None:
    _, told, _ = path
    assert re.search(r"40 classified, [\d.]+/s", told), told[-3000:]
    assert "8 test pictures through the API, all answered as after training" in told
    took = r"^all of it took [^;]+; 1 x ml\.\S+ serve: about \$[\d.]+ an hour"
    assert re.search(took, told, re.M), told[-3000:]
    running = [docker, "ps", "--no-trunc", "--filter", "label=kennel.local", "--format={{.Image}}"]
    shown = subprocess.run(running, capture_output=True, text=True, check=True).stdout
    image = json.loads(person.types("cat build/releases/dev/images.json"))["serve"]["tag"]
    question = [docker, "image", "inspect", "--format", "{{.Id}}", f"kennel/serve:{image}"]
    built = subprocess.run(question, capture_output=True, text=True, check=True).stdout.strip()
    assert built in shown, "the endpoint's instance is a container of the image that was built"


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


def test_training_by_the_runbook(operator: Person) -> None:
    """What would train for hours is asked to say what it would do."""
    job = job_of(operator, 1)
    for line in lines("Train", NAME=job):
        if line.startswith("kennel train --where ec2"):
            continue  # the throw-away stack has no fleet; tests/contract/command/jobs/test_fleet.py
        dry = " --dry-run" if line.startswith("kennel train") else ""
        told = operator.types(line + dry)
        assert "--set" not in line or "resnet" in told
    assert job in operator.types("kennel jobs list")


def test_searching_by_the_runbook(operator: Person) -> None:
    [ranges] = re.findall(r"^```yaml\n(.*?)^```", RUNBOOK, re.M | re.S)
    (operator.home / "ranges.yaml").write_text(ranges)
    (operator.home / "few.yaml").write_text("jobs: 1\nranges: {rate: [0.1]}\nfixed: {epochs: 1}\n")
    name = operator.types("kennel tune few.yaml dogs --detach 2>/dev/null").strip()
    *searches, attach, stop = lines("Search for hyperparameters", NAME=name)
    for line in searches:
        assert "resnet18" in operator.types(f"{line} --dry-run")
    operator.types(stop)
    assert "has no result" in operator.types(attach, code=3)


def test_deploying_and_rolling_back_by_the_runbook(operator: Person) -> None:
    for line in lines("Deploy", JOB=job_of(operator, 1)):
        told = operator.types(line)
    assert "release 1, approved" in told, "it was a release already"
    assert serving(operator) == [2]
    for line in lines("Roll back"):
        operator.types(line)
    assert serving(operator) == [1]
    refused = operator.types("kennel deploy 2", code=1)
    assert "release 2 is rejected" in refused


def test_many_pictures_by_the_runbook(operator: Person) -> None:
    [rows, table] = [
        operator.types(line) for line in lines("Many pictures at once", FOLDER="dogs/valid")
    ]
    assert len(re.findall(r"^s3://.*,00\d\.\w+,[\d.]+$", rows, re.M)) == 40
    assert "... and 20 more" in table


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
    operator.types(stop)
    assert "the function gave no usable answer" in operator.types(
        "kennel predict picture.jpg", code=3
    )
    operator.types("kennel predict picture.jpg --endpoint")
    operator.types(go_on)
    operator.types("kennel predict picture.jpg")
    operator.types(stop)
    operator.types("make plan apply STACK=service")
    operator.types("kennel predict picture.jpg")


def test_an_incident_by_the_runbook(operator: Person) -> None:
    for line in lines("When an alarm rings"):
        told = operator.types(line)
        assert "aws logs" not in line or "{" in told, "there are our JSON lines in the log"


def test_the_service_can_be_destroyed_and_made_again(operator: Person) -> None:
    [destroy] = re.findall(r"`(make destroy [^`]+)`", section(RUNBOOK, "What to keep"))
    operator.types(f"export TF_CLI_ARGS_destroy=-auto-approve\n{destroy}")
    operator.types("kennel predict picture.jpg", code=1)
    operator.types("kennel deploy 1")
    operator.types("kennel predict picture.jpg")
