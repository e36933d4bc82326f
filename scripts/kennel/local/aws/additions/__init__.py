"""What moto lacks, a file for each service, each written so that moto could take it.

An addition is a function `install(house)` that completes moto's classes before the first call.
"""

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec

from kennel.local.aws.house import House

SERVICES: Sequence[str] = (
    "sagemaker_endpoints",
    "sagemaker_jobs",
    "sagemaker_notebooks",
    "autoscaling",
    "cloudwatch",
    "budgets",
    "ec2",
    "ec2_machines",
    "ec2_placement",
    "ecr",
    "s3",
    "iam",
    "lambda_",
    "apigateway",
)


def install(house: House) -> None:
    for service in SERVICES:
        if find_spec(f"{__name__}.{service}"):
            import_module(f"{__name__}.{service}").install(house)
