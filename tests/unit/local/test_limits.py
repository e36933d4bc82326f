"""The limits that the emulated account keeps, as AWS documents them.

That each is kept is seen where it can be hit: `tests/contract/local`, with those that are waits
made shorter.
"""

from pkgutil import resolve_name

import pytest

MIB = 1024 * 1024
SAGEMAKER = "https://docs.aws.amazon.com/sagemaker/latest/dg"
LAMBDA = "https://docs.aws.amazon.com/lambda/latest/dg"
GATEWAY = "https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html"
INVOKE = "https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html"


@pytest.mark.parametrize(
    ("name", "documented", "where"),
    [
        ("runtime.MOST_BYTES", 6_291_456, INVOKE),  # there and back
        ("aws.serving.instance.ANSWER_SECONDS", 60, INVOKE),
        ("aws.serving.invocations.SECONDS", 60, INVOKE),
        (
            "aws.serving.instance.CONNECT_SECONDS",
            0.25,
            f"{SAGEMAKER}/your-algorithms-inference-code.html",
        ),
        (
            "aws.serving.instance.PING_SECONDS",
            2,
            f"{SAGEMAKER}/your-algorithms-inference-code.html",
        ),
        (
            "aws.serving.specs.STARTUP_SECONDS",
            8 * 60,
            f"{SAGEMAKER}/your-algorithms-inference-code.html",
        ),
        (
            "aws.serving.instance.STOP_SECONDS",
            30,
            f"{SAGEMAKER}/your-algorithms-inference-code.html",
        ),
        (
            "aws.jobs.training.GRACE",
            120,
            f"{SAGEMAKER}/your-algorithms-training-algo-running-container.html",
        ),
        ("aws.jobs.transform.SECONDS", 600, f"{SAGEMAKER}/batch-transform-errors.html"),
        ("aws.jobs.transform.MOST_MEGABYTES", 100, f"{SAGEMAKER}/batch-transform.html"),
        ("environment.MOST_BYTES", 6 * MIB, f"{LAMBDA}/gettingstarted-limits.html"),
        ("worker.MOST_BYTES", 6 * MIB, f"{LAMBDA}/gettingstarted-limits.html"),
        ("aws.additions.lambda_.MOST_BYTES_LATER", MIB, f"{LAMBDA}/gettingstarted-limits.html"),
        ("aws.lambdas.sandbox.INIT_SECONDS", 10, f"{LAMBDA}/lambda-runtime-environment.html"),
        ("aws.lambdas.provisioned.INIT_SECONDS", 130, f"{LAMBDA}/lambda-runtime-environment.html"),
        ("stage.MOST_BYTES", 10 * MIB, GATEWAY),
        ("stage.SECONDS", 29, GATEWAY),
        ("aws.apis.integrations.LEAST_MILLIS", 50, GATEWAY),
        ("aws.apis.integrations.MOST_MILLIS", 29_000, GATEWAY),
    ],
)
def test_a_limit_is_the_documented_one(name: str, documented: float, where: str) -> None:
    assert resolve_name(f"kennel.local.{name}") == documented, where  # imported only now
