"""Releases: an image by digest and a model artifact, kept in SageMaker's model registry.

A release is a version of the stack's model package group, which bears the stack's prefix as its
name. Its release.json, written by the trainer, lies in the models bucket: manifest, and test
pictures to try a deployment with.
"""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from kennel import aws, s3
from kennel.errors import UserError
from kennel.outputs import Outputs
from kennel.runs.run import Result

TYPES = ["image/jpeg", "image/png", "image/webp", "application/x-image"]
STATES = {"Approved": "approved", "PendingManualApproval": "pending", "Rejected": "rejected"}


@dataclass(frozen=True)
class Release:
    number: int
    arn: str
    state: str  # approved, pending, rejected
    created: str
    image: str
    model_data: str
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def release_json(self) -> str:
        """Where its manifest and its examples lie."""
        return self.facts.get("release", "")


class Registry:
    def __init__(self, platform: Outputs) -> None:
        self.platform = platform
        self.group = str(platform["prefix"])
        self.models = f"s3://{platform['bucket_names']['models']}"
        self.sagemaker = aws.client("sagemaker", platform.region)
        self.s3 = aws.client("s3", platform.region)

    def all(self) -> list[Release]:
        """Every release, the newest first."""
        pages = self.sagemaker.get_paginator("list_model_packages").paginate(
            ModelPackageGroupName=self.group
        )
        try:
            summaries = [each for page in pages for each in page["ModelPackageSummaryList"]]
        except ClientError as error:
            if no_such(error):
                return []
            raise
        arns = [
            each["ModelPackageArn"]
            for each in summaries
            if each.get("ModelPackageGroupName", self.group) == self.group
        ]
        with ThreadPoolExecutor(8) as pool:
            return sorted(pool.map(self._describe, arns), key=lambda each: -each.number)

    def find(self, which: str) -> Release:
        """By number; `latest`, whatever its state; `approved`, the newest that is."""
        releases = self.all()
        if which.isdecimal():
            releases = [each for each in releases if each.number == int(which)]
        elif which == "approved":
            releases = [each for each in releases if each.state == "approved"]
        elif which != "latest":
            raise UserError(f"{which!r} is no release: give a number, latest or approved")
        if not releases:
            raise UserError(
                f"there is no release {which} of {self.group}: `kennel models list` shows what "
                "there is, and `kennel train` makes one"
                + ("; `kennel models approve N` approves one" if which == "approved" else "")
            )
        return releases[0]

    def add(self, result: Result, image: str, job: str) -> Release:
        """A new release, pending approval; the one there is, if these two are one already."""
        manifest = result.manifest
        if not manifest:
            raise UserError(
                f"{result.folder} has no release.json: the training image is older than this "
                "command; build and push it, and train again"
            )
        same = [e for e in self.all() if (e.image, e.model_data) == (image, result.model_data)]
        if same:
            return same[0]
        self._make_group()
        place = f"{self.models}/releases/{job}/{manifest['version']}"
        for name in ("release.json", "report.html"):
            if (result.folder / name).exists():
                bucket, key = s3.split(f"{place}/{name}")
                self.s3.upload_file(str(result.folder / name), bucket, key)
        answer = self.sagemaker.create_model_package(
            ModelPackageGroupName=self.group,
            ModelPackageDescription=f"{manifest['name']} {manifest['version']} of {job}",
            ModelApprovalStatus="PendingManualApproval",
            InferenceSpecification={
                "Containers": [{"Image": image, "ModelDataUrl": result.model_data}],
                "SupportedContentTypes": TYPES,
                "SupportedResponseMIMETypes": ["application/json"],
            },
            ModelMetrics={
                "ModelQuality": {
                    "Statistics": {
                        "ContentType": "application/json",
                        "S3Uri": f"{place}/release.json",
                    }
                }
            },
            CustomerMetadataProperties=facts_of(manifest, job)
            | {"release": f"{place}/release.json"},
        )
        return self._describe(answer["ModelPackageArn"])

    def upload(self, archive: Path, job: str) -> str:
        """A model that was trained elsewhere, put where releases lie."""
        uri = f"{self.models}/jobs/{job}/output/model.tar.gz"
        bucket, key = s3.split(uri)
        self.s3.upload_file(str(archive), bucket, key)
        return uri

    def set_state(self, release: Release, state: str, reason: str) -> Release:
        given = {value: name for name, value in STATES.items()}[state]
        self.sagemaker.update_model_package(
            ModelPackageArn=release.arn,
            ModelApprovalStatus=given,
            CustomerMetadataProperties=dict(release.facts),  # moto drops what is not said again
            **({"ApprovalDescription": reason} if reason else {}),
        )
        return self._describe(release.arn)

    def content(self, release: Release) -> dict[str, Any]:
        """The content of its release.json."""
        if not release.release_json:
            raise UserError(f"release {release.number} was not made by `kennel train`")
        return dict(json.loads(s3.read(self.s3, release.release_json)))

    def _make_group(self) -> None:
        try:
            self.sagemaker.describe_model_package_group(ModelPackageGroupName=self.group)
        except ClientError as error:
            if not no_such(error):
                raise
            self.sagemaker.create_model_package_group(
                ModelPackageGroupName=self.group,
                ModelPackageGroupDescription="Releases of this stack, made by kennel",
                Tags=[{"Key": "Project", "Value": self.group}],
            )

    def _describe(self, arn: str) -> Release:
        answer = self.sagemaker.describe_model_package(ModelPackageName=arn)
        container = answer["InferenceSpecification"]["Containers"][0]
        return Release(
            number=int(answer["ModelPackageVersion"]),
            arn=arn,
            state=STATES.get(answer.get("ModelApprovalStatus", ""), "pending"),
            created=answer["CreationTime"].isoformat(timespec="seconds"),
            image=container["Image"],
            model_data=container["ModelDataUrl"],
            facts=dict(answer.get("CustomerMetadataProperties") or {}),
        )


def no_such(error: ClientError) -> bool:
    """SageMaker has no code of its own for what is not there."""
    code, said = error.response["Error"]["Code"], str(error).lower()
    return code == "ResourceNotFound" or "not exist" in said or "not find" in said


def facts_of(manifest: Mapping[str, Any], job: str) -> dict[str, str]:
    """What a list shows and compares; SageMaker takes strings of up to 256 characters."""
    found = {
        "model": str(manifest["name"]),
        "version": str(manifest["version"]),
        "architecture": str(manifest.get("architecture", "")),
        "classes": str(len(manifest["classes"])),
        "test_pictures": str(manifest.get("test_pictures", "")),
        "data": str(manifest.get("data_sha256", ""))[:16],
        "commit": str(manifest.get("git_commit", "")),
        "job": job,
    }
    for precision, metrics in manifest["metrics"].items():
        for name, value in metrics.items():
            if isinstance(value, int | float):
                found[f"{precision}.{name}"] = str(value)
    return {name: value[:256] for name, value in found.items() if value}
