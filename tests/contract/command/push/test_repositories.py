"""Local AWS takes images as ECR does: what is pushed can be described, pulled and run."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.contract.command.push.conftest import PASSWORD, Kennel
from tests.contract.local.conftest import Aws, control

NAME = "kennel-dev/serve"
KIND = "application/vnd.docker.distribution.manifest.v2+json"


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    with control(tmp_path_factory.mktemp("aws")) as started:
        started.client("ecr").create_repository(repositoryName=NAME, imageTagMutability="IMMUTABLE")
        yield started


def registry(aws: Aws) -> str:
    answer = aws.client("ecr").get_authorization_token()
    return str(answer["authorizationData"][0]["proxyEndpoint"])


def test_an_image_goes_there_is_described_and_comes_back(
    docker: str, aws: Aws, kennel: Kennel, tmp_path: Path
) -> None:
    from kennel.local.aws import repositories

    settings = {"AWS_ENDPOINT_URL": aws.address}
    assert kennel("images", "build", "serve").returncode == 0
    run = kennel("images", "push", "serve", "--json", **settings)
    assert run.returncode == 0, run.stderr
    pushed = json.loads(run.stdout)["images"][0]
    digest = pushed["image"].partition("@")[2]
    described = aws.client("ecr").describe_images(repositoryName=NAME)["imageDetails"]
    assert [(each["imageDigest"], each["imageTags"]) for each in described] == [
        (digest, [pushed["tag"]])
    ]
    again = kennel("images", "push", "serve", "--json", **settings)
    assert json.loads(again.stdout)["images"][0]["what"] == "was there"

    local = f"kennel/serve:{pushed['tag']}"
    question = [docker, "image", "inspect", "--format", "{{.Id}}"]
    known = subprocess.run([*question, local], capture_output=True, text=True, check=True)
    assert repositories.image_id(aws.state, pushed["image"]) == known.stdout.strip()

    subprocess.run([docker, "rmi", "--force", local], check=True, capture_output=True)
    there = registry(aws).removeprefix("http://")
    environment = kennel.environment | {"DOCKER_CONFIG": str(tmp_path)}
    login = [docker, "login", "--username=AWS", "--password-stdin", there]
    subprocess.run(
        login, input=PASSWORD, env=environment, text=True, check=True, capture_output=True
    )
    reference = f"{there}/{NAME}@{digest}"
    subprocess.run([docker, "pull", reference], env=environment, check=True, capture_output=True)
    pulled = subprocess.run([*question, reference], capture_output=True, text=True, check=True)
    subprocess.run([docker, "rmi", "--force", reference], check=True, capture_output=True)
    assert pulled.stdout == known.stdout


def test_nothing_is_taken_without_the_password_or_into_a_repository_that_is_not_there(
    aws: Aws,
) -> None:
    upload = f"{registry(aws)}/v2/kennel-dev/other/blobs/uploads/"
    assert httpx.post(upload).status_code == 401
    assert httpx.post(upload, auth=("AWS", "wrong")).status_code == 401
    refused = httpx.post(upload, auth=("AWS", PASSWORD))
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (404, "NAME_UNKNOWN")


def test_bytes_that_are_not_those_of_the_digest_are_refused(aws: Aws) -> None:
    with httpx.Client(auth=("AWS", PASSWORD)) as client:
        upload = client.post(f"{registry(aws)}/v2/{NAME}/blobs/uploads/").headers["location"]
        refused = client.put(upload, params={"digest": "sha256:" + "0" * 64}, content=b"bytes")
        assert refused.json()["errors"][0]["code"] == "DIGEST_INVALID"
        gone = client.put(upload, params={"digest": "sha256:" + "0" * 64}, content=b"bytes")
        assert gone.status_code == 404
        manifest = {"mediaType": KIND, "layers": [{"digest": "sha256:" + "0" * 64}]}
        address = f"{registry(aws)}/v2/{NAME}/manifests/some"
        headers = {"Content-Type": KIND}
        refused = client.put(address, content=json.dumps(manifest), headers=headers)
        assert refused.json()["errors"][0]["code"] == "MANIFEST_BLOB_UNKNOWN"


def test_a_tag_does_not_move(aws: Aws) -> None:
    address = f"{registry(aws)}/v2/{NAME}/manifests/fixed"
    with httpx.Client(auth=("AWS", PASSWORD), headers={"Content-Type": KIND}) as client:
        first = {"schemaVersion": 2, "mediaType": KIND, "layers": []}
        assert client.put(address, content=json.dumps(first)).status_code == 201
        assert client.put(address, content=json.dumps(first)).status_code == 201
        other = client.put(address, content=json.dumps(first | {"annotations": {"a": "b"}}))
        assert (other.status_code, other.json()["errors"][0]["code"]) == (400, "DENIED")
        assert json.loads(client.get(address).content) == first
