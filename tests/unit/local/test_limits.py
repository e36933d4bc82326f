"""The limits that the emulated account keeps, as AWS documents them.

That each is kept is seen where it can be hit: `tests/contract/local`, with those that are waits
made shorter.
"""

import pytest

from kennel.local import environment, runtime, stage, worker
from kennel.local.aws.additions import lambda_
from kennel.local.aws.apis import integrations
from kennel.local.aws.jobs import training, transform
from kennel.local.aws.lambdas import provisioned, sandbox
from kennel.local.aws.serving import instance, invocations, specs

MIB = 1024 * 1024
SAGEMAKER = "https://docs.aws.amazon.com/sagemaker/latest/dg"
LAMBDA = "https://docs.aws.amazon.com/lambda/latest/dg"
GATEWAY = "https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html"
INVOKE = "https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html"


@pytest.mark.parametrize(
    ("kept", "documented", "where"),
    [
        (runtime.MOST_BYTES, 6_291_456, INVOKE),  # there and back
        (instance.ANSWER_SECONDS, 60, INVOKE),
        (invocations.SECONDS, 60, INVOKE),
        (instance.CONNECT_SECONDS, 0.25, f"{SAGEMAKER}/your-algorithms-inference-code.html"),
        (instance.PING_SECONDS, 2, f"{SAGEMAKER}/your-algorithms-inference-code.html"),
        (specs.STARTUP_SECONDS, 8 * 60, f"{SAGEMAKER}/your-algorithms-inference-code.html"),
        (instance.STOP_SECONDS, 30, f"{SAGEMAKER}/your-algorithms-inference-code.html"),
        (training.GRACE, 120, f"{SAGEMAKER}/your-algorithms-training-algo-running-container.html"),
        (transform.SECONDS, 600, f"{SAGEMAKER}/batch-transform-errors.html"),
        (transform.MOST_MEGABYTES, 100, f"{SAGEMAKER}/batch-transform.html"),
        (environment.MOST_BYTES, 6 * MIB, f"{LAMBDA}/gettingstarted-limits.html"),
        (worker.MOST_BYTES, 6 * MIB, f"{LAMBDA}/gettingstarted-limits.html"),
        (lambda_.MOST_BYTES_LATER, MIB, f"{LAMBDA}/gettingstarted-limits.html"),
        (sandbox.INIT_SECONDS, 10, f"{LAMBDA}/lambda-runtime-environment.html"),
        (provisioned.INIT_SECONDS, 130, f"{LAMBDA}/lambda-runtime-environment.html"),
        (stage.MOST_BYTES, 10 * MIB, GATEWAY),
        (stage.SECONDS, 29, GATEWAY),
        (integrations.LEAST_MILLIS, 50, GATEWAY),
        (integrations.MOST_MILLIS, 29_000, GATEWAY),
    ],
)
def test_a_limit_is_the_documented_one(kept: float, documented: float, where: str) -> None:
    assert kept == documented, where
