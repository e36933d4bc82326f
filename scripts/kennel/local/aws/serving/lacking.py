"""What SageMaker's endpoints have and those of this account do not: refused, each by its name.

Accepted and left undone, it would look as if it worked.
"""

from collections.abc import Mapping
from typing import Any

from moto.sagemaker.exceptions import ValidationError

CONFIGURATION = {
    "AsyncInferenceConfig": "asynchronous endpoints",
    "ExplainerConfig": "explanations",
    "ShadowProductionVariants": "shadow variants",
}
VARIANT = {
    "AcceleratorType": "elastic inference",
    "InstancePools": "instance pools",
    "ManagedInstanceScaling": "managed instance scaling",
}
CONTAINER = {
    "AdditionalModelDataSources": "additional model data",
    "ModelPackageName": "models from model packages",
    "MultiModelConfig": "multi-model endpoints",
}
DEPLOYMENT = {"RollingUpdatePolicy": "rolling deployments"}
CALL = {
    "x-amzn-sagemaker-enable-explanations": "explanations",
    "x-amzn-sagemaker-inference-component": "inference components",
    "x-amzn-sagemaker-session-id": "stateful sessions",
    "x-amzn-sagemaker-target-container-hostname": "multi-container endpoints",
    "x-amzn-sagemaker-target-model": "multi-model endpoints",
}
Given = Mapping[str, Any]


def check_configuration(given: Given) -> None:
    refuse(among(given, CONFIGURATION))
    for variant in given.get("ProductionVariants") or []:
        refuse(among(variant, VARIANT))
        if "ModelName" not in variant:
            refuse(["inference components (a variant without ModelName)"])


def check_model(given: Given) -> None:
    containers = given.get("Containers") or []
    if len(containers) > 1 or given.get("InferenceExecutionConfig"):
        refuse(["multi-container models (Containers)"])
    for container in [given.get("PrimaryContainer") or {}, *containers]:
        refuse(among(container, CONTAINER))
        source = (container.get("ModelDataSource") or {}).get("S3DataSource") or {}
        if source.get("CompressionType", "Gzip") != "Gzip":
            refuse(["uncompressed models (ModelDataSource)"])


def check_deployment(given: Given) -> None:
    refuse(among(given, DEPLOYMENT))


def check_call(headers: Given) -> None:
    refuse(among(headers, CALL))


def among(given: Given, lacking: Mapping[str, str]) -> list[str]:
    return [f"{what} ({name})" for name, what in lacking.items() if given.get(name)]


def refuse(found: list[str]) -> None:
    if found:
        raise ValidationError(f"The local AWS does not have {', '.join(found)}.")
