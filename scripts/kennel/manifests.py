"""What a registry holds under a tag, asked over its own API, which ECR has too."""

import hashlib
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from kennel.errors import UserError

DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
UNUSABLE = {
    "application/vnd.docker.distribution.manifest.list.v2+json": "a list of images",
    "application/vnd.oci.image.index.v1+json": "an OCI index (an image and its provenance)",
    "application/vnd.oci.image.manifest.v1+json": "an OCI manifest",
}
PATIENCE = httpx.Timeout(30, connect=5)


@dataclass(frozen=True)
class Manifest:
    media_type: str
    digest: str
    size: int = 0  # of the layers, as they are stored


@dataclass(frozen=True)
class Registry:
    address: str  # https://host, or http://127.0.0.1:port
    user: str
    password: str

    @property
    def host(self) -> str:
        return urlsplit(self.address).netloc

    def __repr__(self) -> str:  # the password must not get into a log or a traceback
        return f"Registry({self.address!r})"

    def manifest(self, repository: str, tag: str) -> Manifest | None:
        """What lies under a tag; None if nothing does."""
        answer = self._ask(f"/v2/{repository}/manifests/{tag}")
        if answer.status_code == 404:
            return None
        if answer.status_code in (401, 403):
            raise UserError(
                f"{self.host} does not let us read {repository} ({answer.status_code}): have "
                "ecr:BatchGetImage granted, or choose another role with AWS_PROFILE"
            )
        if answer.is_error:
            raise UserError(
                f"{self.host} answered {answer.status_code} for {repository}:{tag}: "
                f"{answer.text[:200].strip()}; try again in a minute"
            )
        content = answer.json()
        kind = answer.headers.get("content-type", "").partition(";")[0]
        digest = f"sha256:{hashlib.sha256(answer.content).hexdigest()}"
        layers = [content.get("config", {}), *content.get("layers", [])]
        return Manifest(kind, digest, sum(int(each.get("size", 0)) for each in layers))

    def _ask(self, path: str) -> httpx.Response:
        try:
            return httpx.get(
                self.address + path,
                auth=(self.user, self.password),
                headers={"Accept": ", ".join([DOCKER, *UNUSABLE])},
                timeout=PATIENCE,
                follow_redirects=True,
                trust_env=not self.address.startswith("http://"),
            )
        except httpx.TransportError as error:
            raise UserError(
                f"the registry {self.host} cannot be reached ({error}): check the network and run "
                "the command again, layers that are there are not sent twice"
            ) from error


def check(manifest: Manifest, repository: str, tag: str) -> None:
    """Refuse what SageMaker and Lambda would refuse, hours later and in fewer words."""
    if manifest.media_type == DOCKER:
        return
    what = UNUSABLE.get(manifest.media_type, "something else")
    raise UserError(
        f"{repository}:{tag} is {what} ({manifest.media_type}); SageMaker takes Docker manifests "
        "(version 2, schema 2) only. Something else than `kennel images build` has made it, or "
        "Docker's containerd image store has rewritten it (switch that off in Docker's settings). "
        "Tags cannot move: remove it with `aws ecr batch-delete-image --repository-name "
        f"{repository} --image-ids imageTag={tag}`, then run `make build push`"
    )
