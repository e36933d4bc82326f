"""Which image a verb means when none is named: the one that was pushed last, by its digest."""

from typing import Any

from kennel import aws, pushed
from kennel.errors import UserError
from kennel.outputs import Outputs

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
        from kennel.local.built import NO_IMAGE  # noqa: PLC0415 - only there

        return f"{address}@{NO_IMAGE}"
    raise UserError(f"no image was pushed to {address} yet: run `make build push ENV={env}`")


def newest(address: str, region: str) -> str:
    ecr = aws.client("ecr", region)
    pages = ecr.get_paginator("describe_images").paginate(
        repositoryName=address.partition("/")[2], filter={"tagStatus": "TAGGED"}
    )
    found: list[dict[str, Any]] = [each for page in pages for each in page["imageDetails"]]
    plain = [each for each in found if not any(t.endswith(VARIANTS) for t in each["imageTags"])]
    return str(max(plain, key=lambda each: each["imagePushedAt"])["imageDigest"]) if plain else ""
