"""`kennel images` against Docker and a registry that asks for a password."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from kennel import docker as images_docker
from tests.contract.command.push.conftest import ECR, PASSWORD, Kennel, ecr_at

DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
OCI = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"


@pytest.fixture
def built(docker: str, kennel: Kennel) -> Iterator[Kennel]:
    """The serving image of the small repository, in the engine until the test ends."""
    run = kennel("images", "build", "serve", "--json")
    assert run.returncode == 0, run.stderr
    images = [each["image"] for each in json.loads(run.stdout)["images"]]
    yield kennel
    subprocess.run([docker, "rmi", "--force", *images], capture_output=True, check=False)


def tag(kennel: Kennel) -> str:
    command = ["git", "rev-parse", "--short=12", "HEAD"]
    run = subprocess.run(command, cwd=kennel.home, capture_output=True, text=True, check=True)
    return run.stdout.strip()


def record(kennel: Kennel, env: str = "dev") -> dict[str, Any]:
    content = (kennel.home / "build/releases" / env / "images.json").read_text()
    return dict(json.loads(content))


def test_what_is_pushed_lies_under_its_commit_and_is_recorded_by_digest(
    docker: str, built: Kennel, registry: str
) -> None:
    settings = built.home / "docker"
    settings.mkdir()
    assert built("images", "build", "train").returncode == 0
    run = built("images", "push", "--json", DOCKER_CONFIG=str(settings))
    subprocess.run([docker, "rmi", f"kennel/train:{tag(built)}"], capture_output=True, check=True)
    assert run.returncode == 0, run.stderr
    rows = json.loads(run.stdout)["images"]
    assert [(row["name"], row["what"]) for row in rows] == [
        ("train", "pushed"),
        ("serve", "pushed"),
    ]
    for row in rows:
        name, digest = row["name"], row["image"].partition("@")[2]
        address = f"{registry}/v2/kennel-dev/{name}/manifests/"
        found = [
            httpx.get(address + which, auth=("AWS", PASSWORD), headers={"Accept": DOCKER})
            for which in (tag(built), digest)
        ]
        assert [each.headers["content-type"] for each in found] == [DOCKER, DOCKER]
        assert found[0].content == found[1].content
        assert record(built)[name]["image"] == f"{ECR}/kennel-dev/{name}@{digest}"
    # Neither the terminal nor the user's own settings of docker have got the password.
    assert PASSWORD not in run.stdout + run.stderr
    assert not list(settings.iterdir())


@pytest.mark.usefixtures("registry")
def test_what_is_there_is_not_sent_again_even_from_a_machine_that_lacks_it(
    docker: str, built: Kennel
) -> None:
    assert built("images", "push", "serve").returncode == 0
    before = record(built)
    (built.home / "build/releases/dev/images.json").unlink()
    local = f"kennel/serve:{tag(built)}"
    subprocess.run([docker, "rmi", local], capture_output=True, check=True)

    run = built("images", "push", "serve", "--json")
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["images"][0]["what"] == "was there"
    assert record(built) == before


@pytest.mark.usefixtures("registry")
def test_changes_that_are_not_committed_have_names_of_their_own_and_stay_out_of_prod(
    docker: str, built: Kennel
) -> None:
    content = built.home / "images/serve/content"
    tags = []
    for text in ("one", "two"):
        content.write_text(text)
        made = built("images", "build", "serve", "--json")
        assert made.returncode == 0, made.stderr
        run = built("images", "push", "serve", "--json")
        assert run.returncode == 0, run.stderr
        tags.append(json.loads(run.stdout)["images"][0]["tag"])
        image = json.loads(made.stdout)["images"][0]["image"]
        subprocess.run([docker, "rmi", image], capture_output=True, check=True)
    assert tags[0] != tags[1]
    assert all(each.startswith(f"{tag(built)}-dirty-") for each in tags)

    refused = built("images", "push", "serve", "--env", "prod")
    assert refused.returncode == 1
    assert "commit or stash the changes" in refused.stderr
    assert not (built.home / "build/releases/prod").exists()


def test_a_dry_run_pushes_and_records_nothing(kennel: Kennel, registry: str) -> None:
    run = kennel("images", "push", "serve", "--dry-run", "--json")
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["images"][0]["what"] == "would be pushed"
    address = f"{registry}/v2/kennel-dev/serve/manifests/{tag(kennel)}"
    assert httpx.get(address, auth=("AWS", PASSWORD)).status_code == 404
    assert not (kennel.home / "build").exists()


def put(registry: str, reference: str, kind: str, content: dict[str, Any]) -> str:
    """A manifest into the repository `serve`, its digest."""
    body = json.dumps(content).encode()
    address = f"{registry}/v2/kennel-dev/serve/manifests/{reference}"
    answer = httpx.put(
        address, content=body, auth=("AWS", PASSWORD), headers={"Content-Type": kind}
    )
    assert answer.status_code == 201, answer.text
    return str(answer.headers["docker-content-digest"])


def put_blob(registry: str, content: bytes) -> dict[str, Any]:
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    with httpx.Client(auth=("AWS", PASSWORD)) as client:
        upload = client.post(f"{registry}/v2/kennel-dev/serve/blobs/uploads/").headers["location"]
        assert client.put(f"{upload}&digest={digest}", content=content).status_code == 201
    return {"digest": digest, "size": len(content)}


@pytest.mark.parametrize("kind", [OCI, OCI_INDEX])
def test_what_sagemaker_would_refuse_is_refused_with_the_way_to_mend_it(
    kennel: Kennel, registry: str, kind: str
) -> None:
    """As buildx pushes it when it adds provenance: an index over an OCI manifest."""
    configuration = put_blob(registry, b"{}")
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI,
        "config": configuration | {"mediaType": "application/vnd.oci.image.config.v1+json"},
        "layers": [],
    }
    digest = put(registry, tag(kennel), OCI, manifest)
    if kind == OCI_INDEX:
        entry = {"mediaType": OCI, "digest": digest, "size": len(json.dumps(manifest))}
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]}
        put(registry, tag(kennel), OCI_INDEX, index)

    run = kennel("images", "push", "serve")
    assert run.returncode == 1
    assert kind in run.stderr
    assert (
        f"batch-delete-image --repository-name kennel-dev/serve --image-ids imageTag={tag(kennel)}"
        in run.stderr
    )
    assert not (kennel.home / "build").exists()


@pytest.mark.usefixtures("docker", "registry")
def test_an_image_that_was_not_built_is_named(kennel: Kennel) -> None:
    run = kennel("images", "push", "serve")
    assert run.returncode == 1
    assert "run `kennel images build serve` first" in run.stderr


def test_without_credentials_nothing_is_tried(kennel: Kennel) -> None:
    run = kennel("images", "push", "serve", AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")
    assert run.returncode == 1
    assert "aws sso login" in run.stderr


def test_a_registry_that_does_not_answer_is_named(kennel: Kennel) -> None:
    with ecr_at("http://127.0.0.1:9"):
        run = kennel("images", "push", "serve")
    assert run.returncode == 1
    assert "the registry 127.0.0.1:9 cannot be reached" in run.stderr


def test_a_role_that_the_registry_does_not_know_is_refused(kennel: Kennel, registry: str) -> None:
    from moto.ecr import responses

    with ecr_at(registry), pytest.MonkeyPatch.context() as patch:
        patch.setattr(responses, "b64encode", lambda _: b"QVdTOndyb25n")  # AWS:wrong
        run = kennel("images", "push", "serve")
    assert run.returncode == 1
    assert "does not let us read kennel-dev/serve (401)" in run.stderr


SLOW_DOCKER = """#!/bin/sh
case "$1" in
  login) cat > "$DOCKER_CONFIG/config.json" ;;
  push) touch "$BEGUN"; exec sleep 600 ;;
  image) echo '[{"Id": "sha256:1", "Size": 1}]' ;;
esac
"""


@pytest.mark.usefixtures("registry")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_the_password_is_gone_whatever_ends_a_push(kennel: Kennel, number: signal.Signals) -> None:
    tools, temporary, begun = (kennel.home.parent / name for name in ("bin", "tmp", "begun"))
    tools.mkdir()
    temporary.mkdir()
    (tools / "docker").write_text(SLOW_DOCKER)
    (tools / "docker").chmod(0o755)
    settings = {"TMPDIR": str(temporary), "BEGUN": str(begun)}
    process = subprocess.Popen(
        [sys.executable, "-m", "kennel", "images", "push", "serve"],
        cwd=kennel.home,
        env=kennel.environment | settings | {"PATH": f"{tools}:{os.environ['PATH']}"},
        stderr=subprocess.PIPE,
        text=True,
    )
    while not begun.exists():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.02)
    [password] = temporary.glob("*/config.json")
    assert password.read_text() == PASSWORD
    process.send_signal(number)
    said = process.communicate(timeout=120)[1]
    assert process.returncode == 130
    assert "interrupted" in said
    assert not list(temporary.iterdir())


def test_an_unknown_image_is_a_usage_error(kennel: Kennel) -> None:
    run = kennel("images", "build", "serv")
    assert run.returncode == 2
    assert "there are train, serve, serve-gpu, serve-arm64" in run.stderr


@pytest.mark.parametrize(
    ("path", "settings", "said"),
    [
        ("nowhere", {}, "docker is missing"),
        (None, {"DOCKER_HOST": "tcp://127.0.0.1:9"}, "the Docker engine does not answer"),
    ],
)
def test_without_docker_the_remedy_is_named(
    kennel: Kennel, path: str | None, settings: dict[str, str], said: str
) -> None:
    """git is needed too, so that a folder with git alone stands for a machine without Docker."""
    if path:
        only_git = kennel.home.parent / path
        only_git.mkdir()
        found = subprocess.run(["which", "git"], capture_output=True, text=True, check=True)
        (only_git / "git").symlink_to(found.stdout.strip())
        settings = settings | {"PATH": str(only_git)}
    run = kennel("images", "build", "serve", **settings)
    assert run.returncode == 1
    assert said in run.stderr


@pytest.mark.usefixtures("docker")
def test_a_build_that_fails_says_so_and_shows_why(kennel: Kennel) -> None:
    (kennel.home / "images/serve/Dockerfile").write_text("FROM scratch AS cpu\nCOPY nothing /\n")
    run = kennel("images", "build", "serve")
    assert run.returncode == 1
    assert "nothing" in run.stderr
    assert "cannot be built" in run.stderr


def test_a_second_build_takes_from_the_cache_what_has_not_changed(built: Kennel) -> None:
    """Of a layer that has changed, and what comes after it, nothing is taken."""
    again = built("images", "build", "serve")
    assert again.returncode == 0, again.stderr
    assert "CACHED" in again.stderr
    # Unlike anything that the engine has seen before, from another run of this test, say.
    (built.home / "images/serve/content").write_text(f"{uuid.uuid4()}\n")
    anew = built("images", "build", "serve", "--json")
    image = json.loads(anew.stdout)["images"][0]["image"]
    subprocess.run(["docker", "rmi", image], capture_output=True, check=True)
    assert "CACHED" not in anew.stderr


@pytest.mark.usefixtures("docker")
def test_a_platform_that_the_builder_lacks_is_named(kennel: Kennel) -> None:
    """On an engine that has it the image is built: the small one of this test needs no emulator."""
    run = kennel("images", "build", "serve-arm64", "--json")
    if "linux/arm64" in images_docker.platforms():
        image = json.loads(run.stdout)["images"][0]["image"]
        subprocess.run(["docker", "rmi", image], capture_output=True, check=True)
        return
    assert run.returncode == 1
    assert "cannot build serve-arm64 for linux/arm64" in run.stderr
    assert "binfmt" in run.stderr
