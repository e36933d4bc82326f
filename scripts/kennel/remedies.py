"""What to do about each way in which AWS refuses or stays silent."""

import os
from collections.abc import Mapping
from typing import Any

SIGN_IN = "run `aws sso login`, or set AWS_PROFILE (`aws configure list-profiles` lists them)"
EXPIRED = f"the credentials have expired or are not valid: {SIGN_IN}"
DENIED = (
    "use a role that may (AWS_PROFILE; `kennel doctor` says which one this is), or have the action "
    "granted"
)
BUCKET_DENIED = f"the bucket is another account's, or {DENIED}"
QUOTA = "`kennel doctor` lists the quotas that matter and how to have one raised"
CAPACITY = "AWS has no such machine free just now: try later, another zone or another type"
THROTTLED = "AWS refused several times in a row: wait a minute, then try again"
CLOCK = "the clock of this machine is wrong: set it (`timedatectl set-ntp true`)"
BUCKET = "apply the platform (`make plan apply STACK=platform`), or choose its account"
STACK = "choose the stack of that region (--env), or copy what is there into this stack's bucket"
ELSEWHERE = f"what was asked for is in another region: {STACK}"

OF_CODE = {
    "AccessDenied": DENIED,
    "AccessDeniedException": DENIED,
    "AuthFailure": EXPIRED,
    "AuthorizationHeaderMalformed": ELSEWHERE,
    "BucketRegionError": ELSEWHERE,
    "CapacityError": CAPACITY,
    "ExpiredToken": EXPIRED,
    "ExpiredTokenException": EXPIRED,
    "IllegalLocationConstraintException": ELSEWHERE,
    "InstanceLimitExceeded": QUOTA,
    "InsufficientCapacityError": CAPACITY,
    "InsufficientInstanceCapacity": CAPACITY,
    "InvalidAccessKeyId": EXPIRED,
    "InvalidClientTokenId": EXPIRED,
    "InvalidSignatureException": EXPIRED,
    "InvalidToken": EXPIRED,
    "LimitExceededException": QUOTA,
    "MaxSpotInstanceCountExceeded": QUOTA,
    "NoSuchBucket": BUCKET,
    "PermanentRedirect": ELSEWHERE,
    "RequestExpired": CLOCK,
    "RequestLimitExceeded": THROTTLED,
    "RequestTimeTooSkewed": CLOCK,
    "ResourceLimitExceeded": QUOTA,
    "ServiceQuotaExceededException": QUOTA,
    "SignatureDoesNotMatch": EXPIRED,
    "SlowDown": THROTTLED,
    "Throttling": THROTTLED,
    "ThrottlingException": THROTTLED,
    "TooManyRequestsException": THROTTLED,
    "UnauthorizedOperation": DENIED,
    "UnrecognizedClientException": EXPIRED,
    "VcpuLimitExceeded": QUOTA,
}
OF_BUCKETS = {
    "CompleteMultipartUpload", "CreateMultipartUpload", "GetObject", "HeadObject",
    "ListMultipartUploads", "ListObjectsV2", "PutObject", "UploadPart",
}  # fmt: skip
OFF_TIME = ("Signature expired", "Signature not yet current")
OF_STATUS = {"301": ELSEWHERE, "400": "", "403": DENIED, "404": ""}  # answers without a body


def of_answer(operation: str, response: Mapping[str, Any]) -> str:
    """AWS's own words, and what to do about them."""
    detail = response.get("Error", {})
    code, said = str(detail.get("Code", "")), str(detail.get("Message", "")).strip().rstrip(".")
    what = f"{operation}: {said or 'refused'} ({code})"
    remedy = OF_CODE.get(code) or OF_STATUS.get(code)
    if said.startswith(OFF_TIME):  # SignatureDoesNotMatch too, for a clock that is off
        remedy = CLOCK
    if remedy == DENIED and operation in OF_BUCKETS:
        remedy = BUCKET_DENIED
    if remedy == ELSEWHERE:
        headers = response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        region = headers.get("x-amz-bucket-region") or detail.get("Region")
        remedy = f"it is in {region}: {STACK}" if region else ELSEWHERE
    return f"{what}: {remedy}" if remedy else what


# What never got as far as an answer, by the name of botocore's exception.
UNREACHED = {
    "ConnectTimeoutError",
    "ConnectionClosedError",
    "ConnectionError",
    "EndpointConnectionError",
    "HTTPClientError",
    "IncompleteReadError",
    "ProxyConnectionError",
    "ReadTimeoutError",
    "ResponseStreamingError",
}
OF_EXCEPTION = {
    "CredentialRetrievalError": f"the credentials cannot be read: {SIGN_IN}",
    "NoCredentialsError": f"there are no AWS credentials: {SIGN_IN}",
    "NoRegionError": "set AWS_REGION, or apply the platform, whose outputs name the region",
    "PartialCredentialsError": f"half of the AWS credentials are missing: {SIGN_IN}",
    "ProfileNotFound": "`aws configure list-profiles` lists the profiles of this machine",
    "SSLError": "where a proxy re-signs traffic, set AWS_CA_BUNDLE to its certificate",
}


def of_silence(name: str, said: str) -> str:
    """botocore's own words, and what to do about them."""
    if name in UNREACHED:
        remedy = unreached()
    elif name in OF_EXCEPTION:
        remedy = OF_EXCEPTION[name]
    elif "SSO" in name or "Token" in name or "Login" in name:
        remedy = f"the sign-in has expired: {SIGN_IN}"
    else:
        remedy = f"botocore's {name}"
    return f"{said.rstrip('.')}: {remedy}"


def unreached() -> str:
    if address := os.environ.get("AWS_ENDPOINT_URL"):
        return f"AWS_ENDPOINT_URL asks for {address}: is it running? (`kennel local up`)"
    return "check the network, HTTPS_PROXY and the region, then try again"
