"""What machines cost by the hour, for estimates: list prices, not your bill.

US dollars, on demand, eu-west-1, without tax; written down from memory in November 2026 and not
checked against AWS's pages from here. Spot costs less by a share that changes daily; SageMaker
bills Spot jobs for fewer seconds than they ran instead, which BillableTimeInSeconds already holds.
"""

import math

REGION, DATE = "eu-west-1", "November 2026"
HOURLY = {
    "ml.m5.large": 0.128,
    "ml.m5.xlarge": 0.257,
    "ml.m5.2xlarge": 0.514,
    "ml.m5.4xlarge": 1.027,
    "ml.c5.xlarge": 0.23,
    "ml.c5.2xlarge": 0.461,
    "ml.c5.4xlarge": 0.922,
    "ml.c6i.xlarge": 0.219,
    "ml.c6i.2xlarge": 0.438,
    "ml.g4dn.xlarge": 0.821,
    "ml.g4dn.2xlarge": 1.05,
    "ml.g4dn.12xlarge": 5.456,
    "ml.g5.xlarge": 1.57,
    "ml.g5.2xlarge": 1.69,
    "ml.g5.4xlarge": 2.27,
    "ml.g5.12xlarge": 7.91,
    "ml.g5.48xlarge": 22.71,
    "ml.p3.2xlarge": 4.132,
    "g4dn.xlarge": 0.587,
    "g4dn.2xlarge": 0.838,
    "g4dn.12xlarge": 4.362,
    "g5.xlarge": 1.123,
    "g5.2xlarge": 1.353,
    "g5.4xlarge": 1.812,
    "g5.12xlarge": 6.331,
    "g5.48xlarge": 18.183,
    "c6i.xlarge": 0.191,
    "c6i.2xlarge": 0.381,
    "m5.xlarge": 0.214,
    "p3.2xlarge": 3.305,
}
SPOT = 0.4  # of the price on demand, roughly, for EC2's own Spot


def estimate(instance_type: str, instances: int, seconds: float, *, spot: bool = False) -> float:
    """Dollars; NaN for a type that is not in the table."""
    hourly = HOURLY.get(instance_type, float("nan"))
    return hourly * instances * seconds / 3600 * (SPOT if spot else 1.0)


def stated(amount: float, bound: str = "") -> str:
    """With the prices it comes of: those of another region, or another year, differ."""
    if math.isnan(amount):
        return dollars(amount)
    return f"{dollars(amount)}{bound}, by list prices of {REGION} in {DATE}"


def dollars(amount: float) -> str:
    """For people: an estimate, and that it is one."""
    return "unknown (no price in the table)" if math.isnan(amount) else f"about ${amount:.2f}"
