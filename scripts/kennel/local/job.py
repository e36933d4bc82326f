"""The training job of `kennel local up`: small, on drawn pictures, the same for the same work."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

PREFIX = "kennel-local"
COUNTS = {"train": 40, "valid": 6, "test": 6}
HYPERPARAMETERS = {
    "name": "local",
    "architecture": "shufflenet_v2_x0_5",
    "size": "64",
    "resize": "72",
    "rate": "0.03",
    "epochs": "6",
    "processes": "1",
    "quantise": "false",  # int8 is half of the work, and nothing here is served by it
    "seed": "1",
}


def job_name(classes: int, image: str) -> str:
    """The same name for the same work, so that it is not done twice."""
    work = json.dumps([HYPERPARAMETERS, COUNTS, classes, image])
    return f"{PREFIX}-{hashlib.sha256(work.encode()).hexdigest()[:8]}"


def job_request(name: str, image: str, dataset: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """CreateTrainingJob, with what the platform's output `training_job` gives."""
    source = {
        "S3DataType": "S3Prefix",
        "S3Uri": dataset,
        "S3DataDistributionType": "FullyReplicated",
    }
    return {
        "TrainingJobName": name,
        "AlgorithmSpecification": {"TrainingImage": image, "TrainingInputMode": "File"},
        "RoleArn": given["role_arn"],
        "InputDataConfig": [
            {"ChannelName": "training", "DataSource": {"S3DataSource": source}},
        ],
        "OutputDataConfig": {
            "S3OutputPath": given["output_s3_uri"],
            "KmsKeyId": given["kms_key_arn"],
        },
        "ResourceConfig": {
            "InstanceType": "ml.c6i.xlarge",
            "InstanceCount": 1,
            "VolumeSizeInGB": given["volume_gb"],
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": given["max_runtime"]},
        "VpcConfig": {
            "SecurityGroupIds": given["security_group_ids"],
            "Subnets": given["subnet_ids"],
        },
        "EnableNetworkIsolation": given["isolated"],
        "HyperParameters": HYPERPARAMETERS,
        # As fast for so small a network, and much faster beside other work: threads wait for all.
        "Environment": {"OMP_NUM_THREADS": "1"},
    }
