"""Requests drawn from the OpenAPI document, valid and not, against a running local gateway.

Every answer must be one that the document describes: its status, type, headers and schema.
"""

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from invoke.application import PROBE
from tests.contract.function.conftest import DOCUMENT, GUARDED, Gateway, Reply, Start

# What a schema cannot say of its texts, that they be pictures and URLs that lead to one, is
# refused with one of these.
NO_PICTURE = [400, 403, 413, 415, 422]
CONFIG = {"checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", *NO_PICTURE]}}}
OPERATIONS = [
    (path, method, mode)
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
    for mode in ("positive", "negative")
    if mode == "positive" or "requestBody" in operation  # without one nothing can be wrong
]


@pytest.fixture
def client(gateway: Gateway, start: Start) -> httpx.Client:
    host = start(lambda _: Reply(200, PROBE))
    port = host.url.rpartition(":")[2]
    return gateway(handler="guarded.handle", PYTHONPATH=GUARDED, PICTURES_PORT=port)


@pytest.mark.parametrize(("path", "method", "mode"), OPERATIONS)
def test_every_answer_is_as_described(
    client: httpx.Client, path: str, method: str, mode: str
) -> None:
    import schemathesis  # takes a second, which collection need not wait for

    # Bodies that are pictures now and then: any bytes would never be one.
    pictures = st.just(PROBE) | st.binary(max_size=64).map(PROBE[:24].__add__)
    for kind in ("image/jpeg", "image/png", "image/webp"):
        schemathesis.openapi.media_type(kind, pictures)
    config = schemathesis.config.SchemathesisConfig.from_dict(CONFIG)
    operation = schemathesis.openapi.from_dict(DOCUMENT, config=config)[path][method]
    cases = operation.as_strategy(generation_mode=schemathesis.GenerationMode(mode))

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=cases)
    def check(case: schemathesis.Case) -> None:
        case.call_and_validate(base_url=str(client.base_url))

    check()
