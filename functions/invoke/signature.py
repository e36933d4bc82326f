"""AWS's Signature Version 4, for a request whose whole body is at hand and that has no query.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hashlib
import hmac
import time
from functools import reduce
from typing import NamedTuple
from urllib.parse import urlsplit

ALGORITHM = "AWS4-HMAC-SHA256"


class Credentials(NamedTuple):
    access_key: str
    secret_key: str
    token: str | None


class Signer(NamedTuple):
    credentials: Credentials
    region: str
    service: str

    def signed(self, method: str, url: str, headers: dict[str, str], body: bytes) -> dict[str, str]:
        """The headers to send: those given, and those that prove who sends them."""
        parts, stamp = urlsplit(url), time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        digest = hashlib.sha256(body).hexdigest()
        sent = {name.lower(): value for name, value in headers.items()}
        sent |= {"host": parts.netloc, "x-amz-date": stamp}
        if self.credentials.token:
            sent["x-amz-security-token"] = self.credentials.token
        if self.service == "s3":
            sent["x-amz-content-sha256"] = digest  # S3 alone asks for it
        names = sorted(sent)
        lines = [f"{name}:{' '.join(sent[name].split())}" for name in names]
        canonical = "\n".join([method, parts.path, "", *lines, "", ";".join(names), digest])
        sent["authorization"] = self._authorization(canonical, stamp, ";".join(names))
        return sent

    def _authorization(self, canonical: str, stamp: str, names: str) -> str:
        steps = (stamp[:8], self.region, self.service, "aws4_request")
        scope = "/".join(steps)
        request = hashlib.sha256(canonical.encode()).hexdigest()
        key = reduce(keyed, steps, f"AWS4{self.credentials.secret_key}".encode())
        signature = keyed(key, "\n".join([ALGORITHM, stamp, scope, request])).hex()
        owner = f"{self.credentials.access_key}/{scope}"
        return f"{ALGORITHM} Credential={owner}, SignedHeaders={names}, Signature={signature}"


def keyed(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
