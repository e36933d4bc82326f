"""The quotas of an account that a stack like ours runs into, and how to have one raised."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from botocore.exceptions import ClientError

from kennel import aws
from kennel.errors import UserError

SERVING = "ml.c6i.xlarge"  # what terraform/modules/endpoint takes unless told otherwise
TRAINING = "ml.g5.xlarge"
FLEET = "g5.xlarge"


@dataclass(frozen=True)
class Wanted:
    about: str
    service: str
    name: str
    least: float
    code: str = ""  # where it is the same everywhere; SageMaker has one for each instance type


RESERVED = 10  # by the function, unless terraform/service says otherwise
UNRESERVED = 100  # that Lambda keeps for functions that reserve none
LAMBDA_CODE = "L-B99A9384"
# EC2 counts vCPUs by families of types; their codes on demand and on Spot.
FAMILIES = {
    "G and VT": ({"g", "gr", "vt"}, "L-DB2E81BA", "L-3819A6DF"),
    "P": ({"p"}, "L-417A185B", "L-7212CCBC"),
    "Standard (A, C, D, H, I, M, R, T, Z)": (
        {"a", "c", "d", "h", "i", "im", "is", "m", "r", "t", "z"}, "L-1216C47A", "L-34B43A08",
    ),
}  # fmt: skip
SPENT = ("MaxSpotInstanceCountExceeded", "VcpuLimitExceeded")  # RunInstances' words for it


def needed(job: Mapping[str, Any], serving: str, instances: int) -> list[Wanted]:
    """What one release and one training job of the stack need; an update runs two fleets."""
    training, count = job.get("instance_type") or TRAINING, float(job.get("instance_count") or 1)
    return [
        Wanted("endpoint", "sagemaker", f"{serving} for endpoint usage", 2.0 * instances),
        Wanted("training", "sagemaker", f"{training} for training job usage", count),
        Wanted("spot training", "sagemaker", f"{training} for spot training job usage", count),
    ]


def of_fleet(kind: str, nodes: int, region: str, *, spot: bool) -> Wanted:
    """What a run of so many machines of a type needs."""
    letters = re.match("[a-z]*", kind)
    for name, (members, demand, spare) in FAMILIES.items():
        if letters and letters[0] in members:
            least = float(nodes * vcpus(kind, region))
            if spot:
                return Wanted("ec2 spot", "ec2", f"All {name} Spot Requests (vCPU)", least, spare)
            what = f"Running On-Demand {name} instances (vCPU)"
            return Wanted("ec2", "ec2", what, least, demand)
    raise UserError(f"{kind}: EC2 counts it under a quota of its own: look in Service Quotas")


@cache
def vcpus(kind: str, region: str) -> int:
    found = aws.client("ec2", region).describe_instance_types(InstanceTypes=[kind])
    return int(found["InstanceTypes"][0]["VCpuInfo"]["DefaultVCpus"])


def value(wanted: Wanted, region: str) -> tuple[str, float] | None:
    """The code and the value that applies; None if there is no such quota."""
    if not wanted.code:
        return listed(wanted.service, region).get(wanted.name)
    client = aws.client("service-quotas", region)
    try:
        answer = client.get_service_quota(ServiceCode=wanted.service, QuotaCode=wanted.code)
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchResourceException":
            raise
        return None
    return wanted.code, float(answer["Quota"]["Value"])


@cache
def listed(service: str, region: str) -> Mapping[str, tuple[str, float]]:
    """Code and value of every quota of a service, by its name."""
    pages = aws.client("service-quotas", region).get_paginator("list_service_quotas")
    found = (each for page in pages.paginate(ServiceCode=service) for each in page["Quotas"])
    return {each["QuotaName"]: (each["QuotaCode"], float(each["Value"])) for each in found}


def request(wanted: Wanted, code: str, region: str) -> str:
    return (
        f"`aws service-quotas request-service-quota-increase --region {region} --service-code "
        f"{wanted.service} --quota-code {code} --desired-value {wanted.least:g}`"
    )
