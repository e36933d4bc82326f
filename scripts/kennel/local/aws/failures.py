"""The emulator's own failures, as answers that clients understand and do not try again.

AWS would say 500. Of us it is no passing trouble, and Terraform's provider, which heeds no
AWS_MAX_ATTEMPTS, would repeat it for ten minutes: so it is a refusal, in the service's own form.
"""

import json
import logging
import re
from collections.abc import Iterable
from xml.sax.saxutils import escape

from kennel.local.aws.journal import Environ, Start, Wsgi

FORM = "application/x-www-form-urlencoded"  # of services that answer in XML
AGAIN = re.compile(r"attempt=(?!1\b)")  # what a client sends that had no answer, or a failure
SERVICE = re.compile(r"Credential=[^/]+/\d+/[^/]*/([^/]+)/")
log = logging.getLogger("kennel.failures")


def told(application: Wsgi) -> Wsgi:
    """The application, with its failures as refusals."""

    def call(environ: Environ, start: Start) -> Iterable[bytes]:
        if AGAIN.match(attempt := environ.get("HTTP_AMZ_SDK_REQUEST", "")):
            log.warning("%s asked again: %s", environ.get("HTTP_X_AMZ_TARGET"), attempt)
        try:
            return list(application(environ, start))
        except NotImplementedError as missing:
            log.warning("%s", missing)
            error = "UnknownOperationException", str(missing)
        except Exception as failure:
            log.exception("%s %s", environ["REQUEST_METHOD"], environ.get("PATH_INFO"))
            kind = type(failure).__name__
            error = (
                "EmulatorFailure",
                f"The local AWS failed ({kind}): see `kennel local logs control`",
            )
        form, body = refusal(environ, *error)
        start("400 Bad Request", [("Content-Type", form), ("x-amzn-ErrorType", error[0])])
        return [body.encode()]

    return call


def refusal(environ: Environ, code: str, message: str) -> tuple[str, str]:
    """The content type and the body, as the called service has them."""
    found = SERVICE.search(environ.get("HTTP_AUTHORIZATION", ""))
    service = found[1] if found else ""
    said = f"<Code>{code}</Code><Message>{escape(message)}</Message>"
    if service == "s3":
        return "application/xml", f"<Error>{said}</Error>"
    if not environ.get("CONTENT_TYPE", "").startswith(FORM):
        return "application/x-amz-json-1.1", json.dumps({"__type": code, "message": message})
    if service == "ec2":
        return "text/xml", f"<Response><Errors><Error>{said}</Error></Errors></Response>"
    return "text/xml", f"<ErrorResponse><Error>{said}</Error></ErrorResponse>"
