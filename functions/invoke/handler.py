"""The Lambda function: a picture from API Gateway to the endpoint, and the answer back.

Here the parts are put together, once per execution environment: connections are kept between
requests, and a wrong setting stops the function before its first event. What is imported from here
counts in every cold start: hence NamedTuples, where dataclasses would take a tenth longer.
"""

import os
from functools import partial

from invoke import settings
from invoke.application import Application, Fetch
from invoke.aws import RUNTIME, S3, Client
from invoke.backoff import Backoff
from invoke.bucket import SCHEME, Buckets
from invoke.deadline import Deadline
from invoke.endpoint import Endpoint
from invoke.fetch import fetch
from invoke.policy import Policy
from invoke.query import MOST_URLS
from invoke.settings import Settings


def fetcher(given: Settings) -> Fetch:
    """From the internet; from S3 too, where the settings name buckets."""
    policy = Policy(schemes=given.schemes, ports=given.ports, hosts=given.hosts)
    from_internet = partial(fetch, policy)
    if not given.buckets:
        return from_internet
    client = Client(S3, os.environ, connections=MOST_URLS)
    buckets = Buckets(given.buckets, client, policy.picture_bytes)

    def from_either(url: str, deadline: Deadline) -> bytes:
        return (buckets.fetch if url.startswith(SCHEME) else from_internet)(url, deadline)

    return from_either


_settings = settings.load(os.environ)
_endpoint = Endpoint(
    _settings.endpoint, Client(RUNTIME, os.environ, connections=MOST_URLS), Backoff()
)
handle = Application(_settings.endpoint, _settings.origins, fetcher(_settings), _endpoint.invoke)
