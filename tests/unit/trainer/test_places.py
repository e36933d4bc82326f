"""Where a run takes place, from SageMaker's file or a fleet's variables."""

import json
from pathlib import Path

import pytest

from trainer import places
from trainer.errors import TrainingError
from trainer.places import Place


def sagemaker(tmp_path: Path, content: object) -> Path:
    path = tmp_path / "resourceconfig.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_without_either_a_run_is_alone(tmp_path: Path) -> None:
    place = places.find(tmp_path / "none.json", {})
    assert place.alone
    assert (place.hosts, place.index) == (("localhost",), 0)


def test_sagemakers_hosts_are_in_the_order_of_their_names(tmp_path: Path) -> None:
    content = {
        "current_host": "algo-2",
        "hosts": ["algo-1", "algo-2", "algo-10"],
        "network_interface_name": "eth1",
    }
    place = places.find(sagemaker(tmp_path, content), {"TRAINING_JOB_NAME": "dogs-7"})
    assert place == Place(("algo-1", "algo-10", "algo-2"), 2, "eth1", job="dogs-7")
    assert not place.alone


@pytest.mark.parametrize("content", ["{", {"hosts": ["a"]}, {"hosts": ["a"], "current_host": "b"}])
def test_a_wrong_file_is_named(tmp_path: Path, content: object) -> None:
    path = sagemaker(tmp_path, content)
    with pytest.raises(TrainingError, match="does not say which hosts there are"):
        places.find(path, {})


def test_a_fleets_variables_come_first(tmp_path: Path) -> None:
    variables = {
        "KENNEL_HOSTS": "10.0.0.1, 10.0.0.2",
        "KENNEL_HOST_RANK": "1",
        "KENNEL_PORT": "29999",
        "KENNEL_JOB": "dogs",
    }
    place = places.find(tmp_path / "none.json", variables)
    assert place == Place(("10.0.0.1", "10.0.0.2"), 1, "", 29999, "dogs")


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"KENNEL_HOSTS": " "}, "KENNEL_HOSTS must list"),
        ({"KENNEL_HOSTS": "a,a"}, "each once"),
        ({"KENNEL_HOSTS": "a,b"}, "KENNEL_HOST_RANK is '': it can be 0 to 1"),
        ({"KENNEL_HOSTS": "a,b", "KENNEL_HOST_RANK": "2"}, "KENNEL_HOST_RANK is '2'"),
        ({"KENNEL_HOSTS": "a", "KENNEL_PORT": "http"}, "KENNEL_PORT is 'http'"),
    ],
)
def test_a_wrong_variable_is_named(tmp_path: Path, variables: dict[str, str], message: str) -> None:
    with pytest.raises(TrainingError) as error:
        places.find(tmp_path / "none.json", variables)
    assert message in str(error.value)


@pytest.mark.parametrize("late", ["algo-1", "algo-2"])
def test_names_that_do_not_resolve_yet_are_asked_for_again(late: str) -> None:
    asked, slept = [], []

    def resolve(host: str) -> str:
        asked.append(host)
        if host == late and asked.count(host) < 4:
            raise OSError("Name or service not known")
        return "10.0.0.1"

    places.wait_for_names(("algo-1", "algo-2"), resolve, slept.append)
    assert asked == sorted([late] * 3 + ["algo-1", "algo-2"])
    assert slept == [0.1, 0.2, 0.4]


def test_a_host_whose_name_stays_unknown_is_named() -> None:
    def resolve(host: str) -> str:
        raise OSError(f"no {host}")

    with pytest.raises(TrainingError, match="the name of host algo-1 is unknown after 9"):
        places.wait_for_names(("algo-1", "algo-2"), resolve, lambda _: None)
