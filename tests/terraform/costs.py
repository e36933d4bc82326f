"""What an idle stack costs a month, from its plans.

    python -m pytest tests/terraform/test_costs.py    # compares docs/costs.md with the plans

Quantities come from the plans; prices are list prices in US dollars, of eu-west-1, without tax.
"""

from collections.abc import Iterator
from typing import Any

Plan = dict[str, Any]
HOURS = 730
SECONDS = HOURS * 3600

# name: unit price a month, and what it is for.
PRICES = {
    "endpoint instances (ml.c6i.xlarge)": 0.219 * HOURS,
    "warm function instances (1 GB, arm64)": 0.0000033334 * SECONDS,
    "interface endpoints x zones": 0.011 * HOURS,
    "NAT gateways": 0.048 * HOURS,
    "web ACLs": 5.0,
    "web ACL rules": 1.0,
    "KMS keys": 1.0,
    "alarms": 0.10,
    "dashboards": 3.0,
    "notebook volumes (20 GB), stopped": 20 * 0.112,
}


def resources(plan: Plan) -> Iterator[tuple[str, Plan]]:
    modules = [plan["planned_values"]["root_module"]]
    while modules:
        module = modules.pop()
        modules += module.get("child_modules", [])
        for resource in module.get("resources", []):
            yield resource["type"], resource.get("values", {})


def quantities(plans: list[Plan]) -> dict[str, int]:
    """How many of each priced thing there are in an idle stack of these roots."""
    found = dict.fromkeys(PRICES, 0)
    items = [each for plan in plans for each in resources(plan)]
    zones = sum(kind == "aws_subnet" and "private" in str(values["tags"]) for kind, values in items)
    for kind, values in items:
        match kind:
            case "aws_appautoscaling_target" if values["service_namespace"] == "sagemaker":
                found["endpoint instances (ml.c6i.xlarge)"] += values["min_capacity"]
            case "aws_appautoscaling_policy" if values["policy_type"] == "TargetTrackingScaling":
                found["alarms"] += 2  # made by the service
            case "aws_lambda_provisioned_concurrency_config":
                warm = values["provisioned_concurrent_executions"]
                found["warm function instances (1 GB, arm64)"] += warm
            case "aws_vpc_endpoint" if values["vpc_endpoint_type"] == "Interface":
                found["interface endpoints x zones"] += zones
            case "aws_nat_gateway":
                found["NAT gateways"] += 1
            case "aws_wafv2_web_acl":
                found["web ACLs"] += 1
                found["web ACL rules"] += len(values["rule"])
            case "aws_kms_key":
                found["KMS keys"] += 1
            case "aws_cloudwatch_metric_alarm":
                found["alarms"] += 1
            case "aws_cloudwatch_dashboard":
                found["dashboards"] += 1
            case "aws_sagemaker_notebook_instance":
                found["notebook volumes (20 GB), stopped"] += 1
    return found


def table(by_environment: dict[str, dict[str, int]]) -> str:
    names = list(by_environment)
    lines = [
        "| what | a month each |" + "".join(f" {n} | $ |" for n in names),
        "| --- | ---: |" + " ---: | ---: |" * len(names),
    ]
    for item, price in PRICES.items():
        counts = [by_environment[name][item] for name in names]
        if any(counts):
            cells = "".join(f" {count} | {count * price:.2f} |" for count in counts)
            lines.append(f"| {item} | {price:.2f} |{cells}")
    totals = [sum(count * PRICES[item] for item, count in by_environment[n].items()) for n in names]
    lines.append("| **total** | |" + "".join(f" | **{total:.0f}** |" for total in totals))
    return "\n".join(lines)
