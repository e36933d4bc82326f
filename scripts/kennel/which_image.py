"""Which image a verb means when none is named: the one that was pushed last, by its digest."""

import re
from typing import Any

from botocore.exceptions import ClientError

from kennel import aws, pushed
from kennel.errors import UserError
from kennel.outputs import Outputs

ECR = re.compile(
    r"(?P<account>[0-9]{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?"
    r"/(?P<name>[^@]+)@(?P<digest>sha256:[0-9a-f]{64})"
)
VARIANTS = ("-gpu", "-arm64")  # ends of the tags of images that share a repository


def find(name: str, platform: Outputs, env: str) -> str:
    """What `kennel images push` recorded here; else what anyone pushed last; train or serve."""
    address = str(platform["repository_urls"][name])
    recorded = pushed.read(env).get(name)
    if recorded and recorded.image.startswith(f"{address}@"):
        return recorded.image
    digest = newest(address, platform.region)
    if digest:
        return f"{address}@{digest}"
    if env == "local":  # where processes may stand for containers
        from kennel.local.built import sources_id  # noqa: PLC0415 - only there

        return f"{address}@{sources_id(name)}"
    raise UserError(f"no image was pushed to {address} yet: run `make build push ENV={env}`")


def newest(address: str, region: str) -> str:
    ecr = aws.client("ecr", region)
    pages = ecr.get_paginator("describe_images").paginate(
        repositoryName=address.partition("/")[2], filter={"tagStatus": "TAGGED"}
    )
    found: list[dict[str, Any]] = [each for page in pages for each in page["imageDetails"]]
    plain = [each for each in found if not any(t.endswith(VARIANTS) for t in each["imageTags"])]
    return str(max(plain, key=lambda each: each["imagePushedAt"])["imageDigest"]) if plain else ""


def check(image: str, env: str) -> None:
    """That ECR has it, before machines are started to pull it; others' registries are not asked."""
    found = ECR.fullmatch(image)
    if (
        not found or env == "local"
    ):  # where images of the engine, and processes, pass for pushed ones
        return
    ecr = aws.client("ecr", found["region"])
    try:
        ecr.describe_images(
            registryId=found["account"],
            repositoryName=found["name"],
            imageIds=[{"imageDigest": found["digest"]}],
        )
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in ("ImageNotFoundException", "RepositoryNotFoundException"):
            raise UserError(
                f"ECR has no image {image}: was it deleted, or never pushed? `make build push` "
                "pushes the one of this commit"
            ) from error
        if code != "AccessDeniedException":  # who may start a job need not be allowed to look
            raise
