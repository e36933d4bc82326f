"""Where images go: the data plane of ECR, for `docker push` and `docker pull`.

The layers lie in files under the state folder. Manifests and tags are moto's, so that what is
pushed is what DescribeImages lists, and a tag that must not move does not. Docker takes a registry
on loopback without TLS.
"""

import hashlib
import hmac
import json
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from kennel.local.aws.house import House

CHUNK = 1 << 20
KINDS = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
)
ROUTES = Map(
    [
        Rule("/v2/", endpoint="version"),
        Rule("/v2/<path:name>/blobs/uploads/", endpoint="begin", methods=["POST"]),
        Rule("/v2/<path:name>/blobs/uploads/<upload>", endpoint="append", methods=["PATCH"]),
        Rule("/v2/<path:name>/blobs/uploads/<upload>", endpoint="finish", methods=["PUT"]),
        Rule("/v2/<path:name>/blobs/<digest>", endpoint="blob", methods=["GET"]),
        Rule("/v2/<path:name>/manifests/<which>", endpoint="put_manifest", methods=["PUT"]),
        Rule("/v2/<path:name>/manifests/<which>", endpoint="manifest", methods=["GET"]),
    ]
)


class Refused(HTTPException):
    """In the words that registries use."""

    def __init__(self, status: int, code: str, message: str) -> None:
        content = json.dumps({"errors": [{"code": code, "message": message}]})
        given = {"WWW-Authenticate": 'Basic realm="ecr"'} if status == 401 else {}
        super().__init__(response=Response(content, status, given, content_type="application/json"))


class Repositories:
    """The registry of the account, on a port of its own."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._blobs, self._uploads = house.folder("ecr/blobs"), house.folder("ecr/uploads")
        self._server = make_server(
            "127.0.0.1", 0, self._answer, threaded=True, request_handler=Quiet
        )
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def start(self) -> None:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def password(self) -> str:
        """The one that moto's GetAuthorizationToken gives out."""
        return f"{self._house.account}-auth-token"

    def _answer(self, environ: Any, start: Any) -> Any:
        try:
            request = Request(environ)
            given = request.authorization
            right = given is not None and hmac.compare_digest(given.password or "", self.password)
            if not right:
                raise Refused(401, "UNAUTHORIZED", "sign in with GetAuthorizationToken")
            operation, values = ROUTES.bind_to_environ(environ).match()
            response: Response = getattr(self, operation)(request, **values)
        except HTTPException as refused:
            return refused.get_response(environ)(environ, start)
        return response(environ, start)

    def version(self, _: Request) -> Response:
        return Response("{}", headers={"Docker-Distribution-Api-Version": "registry/2.0"})

    def begin(self, _: Request, name: str) -> Response:
        upload = uuid.uuid4().hex
        self._ecr(lambda ecr: ecr.describe_repositories(repositoryNames=[name]))
        (self._uploads / upload).touch()
        return self._goes_on(name, upload)

    def append(self, request: Request, name: str, upload: str) -> Response:
        with self._upload(upload).open("ab") as file:
            while chunk := request.stream.read(CHUNK):
                file.write(chunk)
        return self._goes_on(name, upload)

    def finish(self, request: Request, name: str, upload: str) -> Response:
        self.append(request, name, upload)
        digest = request.args.get("digest", "")
        with self._upload(upload).open("rb") as file:
            present = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
        if present != digest:
            self._upload(upload).unlink()
            raise Refused(400, "DIGEST_INVALID", f"what arrived is {present}, not {digest}")
        self._upload(upload).rename(blob_path(self._house.state, digest))
        return Response(status=201, headers={"Docker-Content-Digest": digest})

    def blob(self, _: Request, name: str, digest: str) -> Response:  # noqa: ARG002 - of any
        path = blob_path(self._house.state, digest)
        if not path.is_file():
            raise Refused(404, "BLOB_UNKNOWN", digest)
        headers = {"Content-Length": str(path.stat().st_size), "Docker-Content-Digest": digest}
        return Response(pieces(path), headers=headers, content_type="application/octet-stream")

    def put_manifest(self, request: Request, name: str, which: str) -> Response:
        content, kind = request.get_data(), request.mimetype
        if json.loads(content).get("mediaType") != kind:
            raise Refused(400, "MANIFEST_INVALID", f"its mediaType must be {kind}")
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        for each in referenced(json.loads(content)):
            if not blob_path(self._house.state, each).is_file():
                raise Refused(400, "MANIFEST_BLOB_UNKNOWN", each)
        tag = {} if which.startswith("sha256:") else {"imageTag": which}
        put = {"repositoryName": name, "imageManifest": content.decode(), "imageDigest": digest}
        # The same image under the same tag is no news; ECR would call it a conflict.
        if self._look_up(name, which) != content:
            self._ecr(lambda ecr: ecr.put_image(**put, imageManifestMediaType=kind, **tag))
        blob_path(self._house.state, digest).write_bytes(content)
        return Response(status=201, headers={"Docker-Content-Digest": digest})

    def manifest(self, _: Request, name: str, which: str) -> Response:
        content = self._look_up(name, which)
        if content is None:
            raise Refused(404, "MANIFEST_UNKNOWN", f"{name} has no image {which}")
        headers = {"Docker-Content-Digest": f"sha256:{hashlib.sha256(content).hexdigest()}"}
        return Response(content, headers=headers, content_type=json.loads(content)["mediaType"])

    def _look_up(self, name: str, which: str) -> bytes | None:
        """The manifest under a tag or a digest."""
        key = "imageDigest" if which.startswith("sha256:") else "imageTag"
        answer = self._ecr(
            lambda ecr: ecr.batch_get_image(
                repositoryName=name, imageIds=[{key: which}], acceptedMediaTypes=KINDS
            )
        )
        images = answer.get("images")
        return str(images[0]["imageManifest"]).encode() if images else None

    def _ecr(self, call: Callable[[Any], Any]) -> Any:
        """A call of the control plane, as a client makes it: the journal keeps what it changes."""
        ecr = boto3.client(
            "ecr",
            endpoint_url=self._house.address,
            region_name=self._house.region,
            aws_access_key_id="registry",
            aws_secret_access_key="registry",  # noqa: S106 - nobody checks it on loopback
        )
        try:
            return call(ecr)
        except ClientError as error:
            detail = error.response["Error"]
            missing = detail["Code"] == "RepositoryNotFoundException"
            code = "NAME_UNKNOWN" if missing else "DENIED"
            raise Refused(404 if missing else 400, code, detail["Message"]) from error

    def _upload(self, upload: str) -> Path:
        path = self._uploads / upload
        if not (upload.isalnum() and path.is_file()):
            raise Refused(404, "BLOB_UPLOAD_UNKNOWN", upload)
        return path

    def _goes_on(self, name: str, upload: str) -> Response:
        end = max((self._uploads / upload).stat().st_size - 1, 0)
        headers = {
            "Location": f"{self.address}/v2/{name}/blobs/uploads/{upload}",
            "Range": f"0-{end}",
            "Docker-Upload-UUID": upload,
        }
        return Response(status=202, headers=headers)


class Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_request(self, *_: object) -> None:
        pass


def referenced(manifest: dict[str, Any]) -> list[str]:
    """The digests that have to be there before a manifest."""
    parts = [*manifest.get("layers", []), *manifest.get("manifests", [])]
    parts += [manifest["config"]] if "config" in manifest else []
    return [str(each["digest"]) for each in parts]


def pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def blob_path(state: Path, digest: str) -> Path:
    algorithm, _, value = digest.partition(":")
    if algorithm != "sha256" or not value.isalnum():
        raise Refused(400, "DIGEST_INVALID", digest)
    return state / "ecr/blobs" / value


def image_id(state: Path, image: str) -> str:
    """What the engine that pushed REPOSITORY@DIGEST calls it, or "": its configuration's digest."""
    digest = image.rpartition("@")[2]
    if not digest.startswith("sha256:") or not blob_path(state, digest).is_file():
        return ""
    return str(json.loads(blob_path(state, digest).read_bytes())["config"]["digest"])
