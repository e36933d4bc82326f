"""checkov checks for what checkov lacks: releases without a way back, doors without a lock.

checkov imports this file itself (external-checks-dir in .checkov.yaml).
"""

from typing import Any

from checkov.common.models.enums import CheckCategories, CheckResult
from checkov.terraform.checks.resource.base_resource_check import BaseResourceCheck

Configuration = dict[str, Any]


def first(configuration: Any, *path: str) -> Any:
    """What is under a path of blocks and arguments, each of which checkov wraps in a list."""
    for name in path:
        while isinstance(configuration, list):
            configuration = configuration[0] if configuration else None
        if not isinstance(configuration, dict):
            return None
        configuration = configuration.get(name)
    while isinstance(configuration, list):
        configuration = configuration[0] if configuration else None
    return configuration


class Check(BaseResourceCheck):
    """A check of one type of resource that fails where `holds` does not."""

    def __init__(self, number: int, name: str, kind: str, category: CheckCategories) -> None:
        super().__init__(
            name=name,
            id=f"CKV_KENNEL_{number}",
            categories=[category],
            supported_resources=[kind],
        )

    def scan_resource_conf(self, conf: Configuration) -> CheckResult:
        return CheckResult.PASSED if self.holds(conf) else CheckResult.FAILED

    def holds(self, conf: Configuration) -> bool:
        raise NotImplementedError


class RollsBack(Check):
    def __init__(self) -> None:
        name = "Ensure that an endpoint's update is rolled back by alarms"
        super().__init__(1, name, "aws_sagemaker_endpoint", CheckCategories.BACKUP_AND_RECOVERY)

    def holds(self, conf: Configuration) -> bool:
        # In HCL the block is made by `dynamic`, whose content only the plan has.
        if "dynamic" in conf:
            return True
        return bool(first(conf, "deployment_config", "auto_rollback_configuration", "alarms"))


class StaysInside(Check):
    def __init__(self) -> None:
        name = "Ensure that a notebook has no way to the internet"
        kind = "aws_sagemaker_notebook_instance"
        super().__init__(2, name, kind, CheckCategories.NETWORKING)

    def holds(self, conf: Configuration) -> bool:
        return first(conf, "direct_internet_access") == "Disabled"


class RoutesByLoad(Check):
    def __init__(self) -> None:
        name = "Ensure that requests go to the instance with the fewest"
        kind = "aws_sagemaker_endpoint_configuration"
        super().__init__(3, name, kind, CheckCategories.GENERAL_SECURITY)

    def holds(self, conf: Configuration) -> bool:
        variant = first(conf, "production_variants")
        if not isinstance(variant, dict) or "dynamic" in variant or "dynamic" in conf:
            return True
        if first(variant, "serverless_config"):
            return True
        return first(variant, "routing_config", "routing_strategy") == "LEAST_OUTSTANDING_REQUESTS"


class WarmsAnAlias(Check):
    def __init__(self) -> None:
        name = "Ensure that a function's provisioned concurrency is on an alias, never on $LATEST"
        kind = "aws_lambda_provisioned_concurrency_config"
        super().__init__(4, name, kind, CheckCategories.GENERAL_SECURITY)

    def holds(self, conf: Configuration) -> bool:
        return first(conf, "qualifier") not in (None, "", "$LATEST")


CHECKS = [RollsBack(), StaysInside(), RoutesByLoad(), WarmsAnAlias()]
