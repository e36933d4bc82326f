"""Signed calls to AWS over kept connections, on the runtime's own urllib3.

A botocore client would do the same, but importing it is most of a cold start: it brings
paginators, waiters, documentation and the tables of all regions, for one POST. What takes its place
is tested against it: tests/contract/function/test_aws.py compares addresses and signatures.
Lambda may bring urllib3 1.26 or 2, so types that only one of them has stand in quotes.
"""

from collections.abc import Mapping
from typing import NamedTuple

import urllib3

from invoke.deadline import Deadline
from invoke.settings import SettingsError
from invoke.signature import Credentials, Signer

CONNECT_SECONDS = 1.0


class Service(NamedTuple):
    """How one service is signed for and found."""

    name: str  # in signatures
    variable: str  # holds another address, as for all AWS tools
    host: str


RUNTIME = Service("sagemaker", "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", "runtime.sagemaker")
S3 = Service("s3", "AWS_ENDPOINT_URL_S3", "s3")


class Client:
    """One service, in the region and with the credentials that Lambda puts in the environment."""

    def __init__(self, service: Service, environment: Mapping[str, str], connections: int) -> None:
        region = needed(environment, "AWS_REGION")
        suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
        address = f"https://{service.host}.{region}.{suffix}"
        self.url = environment.get(service.variable, address).rstrip("/")
        self._signer = Signer(credentials_in(environment), region, service.name)
        self._pool = urllib3.PoolManager(maxsize=connections, retries=False)

    def call(
        self, method: str, path: str, headers: dict[str, str], body: bytes, deadline: Deadline
    ) -> "urllib3.BaseHTTPResponse":
        """One attempt. The body of the answer is not read yet; the deadline holds for the head."""
        url = self.url + path
        return self._pool.urlopen(
            method,
            url,
            body=body,
            headers=self._signer.signed(method, url, headers, body),
            redirect=False,
            preload_content=False,
            decode_content=False,
            timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=max(0.001, deadline.left())),
        )


def credentials_in(environment: Mapping[str, str]) -> Credentials:
    return Credentials(
        needed(environment, "AWS_ACCESS_KEY_ID"),
        needed(environment, "AWS_SECRET_ACCESS_KEY"),
        environment.get("AWS_SESSION_TOKEN"),
    )


def needed(environment: Mapping[str, str], name: str) -> str:
    if not environment.get(name):
        raise SettingsError(f"{name} is not set; on Lambda it always is")
    return environment[name]
