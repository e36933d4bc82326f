"""Batch transform jobs: a server for the job, each object of a prefix sent to it once.

As the developer guide says of a job with a bad object among good ones: the bad one gets no output,
the others get theirs, and the job is Failed, with a line for the object in its data log.
"""

import gzip
import logging
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
from moto.sagemaker.exceptions import ValidationError
from moto.sagemaker.models import sagemaker_backends

from kennel.errors import UserError
from kennel.local.aws.bucket import Access, Bucket, Entry, Place, Unreadable, share_of
from kennel.local.aws.house import House
from kennel.local.aws.joblog import Stream, Tail
from kennel.local.aws.jobs.jobs import no_objects
from kennel.local.aws.jobs.records import Document, Kind, Record, Records
from kennel.local.aws.jobs.transform_worker import Worker, snake
from kennel.local.aws.running.runner import Container
from kennel.local.aws.serving.artifacts import Artifacts, Unavailable
from kennel.local.aws.serving.asked import model_data_of
from kennel.local.aws.serving.instance import remove, wait_until
from kennel.local.aws.serving.specs import STARTUP_SECONDS

LOG_GROUP = "/aws/sagemaker/TransformJobs"
MEGABYTE = 1024 * 1024
MOST_MEGABYTES = 100  # of all bodies under way together
SECONDS, RETRIES = 600, 3  # of ModelClientConfig
TRANSFORM = Kind(
    "TransformJob",
    "transform-job",
    (
        "TransformJobName",
        "TransformJobArn",
        "CreationTime",
        "TransformEndTime",
        "LastModifiedTime",
        "TransformJobStatus",
        "FailureReason",
    ),
)
log = logging.getLogger("kennel.transform")


class Failed(Exception):
    """The job cannot go on; the message is its reason."""


class TransformJobs:
    def __init__(self, house: House) -> None:
        self._house = house
        self.records = Records(house, TRANSFORM)
        self._running: dict[str, Transform] = {}

    def create(self, request: Mapping[str, Any]) -> str:
        models = sagemaker_backends[self._house.account][self._house.region]._models
        if request["ModelName"] not in models:
            arn = self._house.arn("sagemaker", f"model/{request['ModelName']}")
            raise ValidationError(f'Could not find model "{arn}".')
        model = models[request["ModelName"]]
        check(request)
        bucket = Bucket(Access(self._house, model.execution_role_arn, "SageMaker"))
        source = request["TransformInput"]["DataSource"]["S3DataSource"]
        try:
            entries = bucket.entries(source["S3Uri"], source["S3DataType"])
        except Unreadable as error:
            uri, role = source["S3Uri"], model.execution_role_arn
            raise ValidationError(no_objects(uri, role, self._house.region)) from error
        name = request["TransformJobName"]
        record = self.records.add(name, request)
        transform = Transform(self._house, self.records, record, model, entries)
        self._running[name] = transform
        threading.Thread(target=transform.run, name=name, daemon=True).start()
        return record.arn

    def stop(self, name: str) -> None:
        record = self.records.get(name)
        if record.status != "InProgress":
            raise ValidationError(
                f"The request was rejected because the transform job is in status {record.status}."
            )
        self.records.update(name, TransformJobStatus="Stopping")
        self._running[name].stop()

    def close(self) -> None:
        for transform in self._running.values():
            transform.stop()


def check(request: Mapping[str, Any]) -> None:
    at_once, megabytes = request.get("MaxConcurrentTransforms"), request.get("MaxPayloadInMB")
    if at_once and (6 if megabytes is None else megabytes) * at_once > MOST_MEGABYTES:
        raise ValidationError("MaxConcurrentTransforms * MaxPayloadInMB cannot exceed 100 MB.")
    if (megabytes or 0) > MOST_MEGABYTES:
        raise ValidationError("MaxPayloadInMB cannot be greater than 100.")
    if request["TransformInput"].get("SplitType", "None") != "None":
        raise ValidationError("Only SplitType None is emulated: one object is one request.")
    source = request["TransformInput"]["DataSource"]["S3DataSource"]
    if source["S3DataType"] not in ("S3Prefix", "ManifestFile"):
        raise ValidationError(f"{source['S3DataType']} is not emulated.")
    processing = request.get("DataProcessing") or {}
    if any(value not in ("$", "None") for value in processing.values()):
        raise ValidationError("DataProcessing is not emulated.")


class Transform:
    """One job under way, in a thread of its own."""

    def __init__(
        self, house: House, records: Records, record: Record, model: Any, entries: list[Entry]
    ) -> None:
        self._house, self._records, self._name = house, records, record.name
        self._job: Document = record.document
        self._model = model
        self._entries = entries
        self._folder = house.folder("transform-jobs") / record.name
        self._access = Access(house, model.execution_role_arn, "SageMaker")
        self._bucket = Bucket(self._access)
        self._stopped = threading.Event()
        self._faults: set[str] = set()
        client = self._job.get("ModelClientConfig") or {}
        self._seconds = client.get("InvocationsTimeoutInSeconds", SECONDS)
        self._retries = client.get("InvocationsMaxRetries", RETRIES)
        self._most_bytes = 0

    def stop(self) -> None:
        self._stopped.set()

    def run(self) -> None:
        workers: list[Worker] = []
        reason = ""
        try:
            self._run(workers)
        except Failed as error:
            reason = str(error)
        except UserError as error:  # what the runner lacks
            reason = f"ClientError: {error}"
        except Exception as error:
            log.exception("%s", self._name)
            reason = f"InternalServerError: {error}"
        for worker in workers:
            worker.end()
        remove(self._folder)
        if self._faults and not reason:
            blamed = "AlgorithmError" if "AlgorithmError" in self._faults else "ClientError"
            reason = f"{blamed}: See job logs for more information"
        status = "Stopped" if self._stopped.is_set() else "Failed" if reason else "Completed"
        self._records.update(
            self._name,
            TransformJobStatus=status,
            TransformEndTime=time.time(),
            **({"FailureReason": reason} if status == "Failed" else {}),
        )

    def _run(self, workers: list[Worker]) -> None:
        count = self._job["TransformResources"]["InstanceCount"]
        for number in range(count):
            workers.append(self._start(number))
        for worker in workers:
            self._wait_until_healthy(worker)
        if self._stopped.is_set():
            return
        self._records.update(self._name, TransformStartTime=time.time())
        with ThreadPoolExecutor(count) as pool:
            shares = [share_of(self._entries, number, count) for number in range(count)]
            for _ in pool.map(self._work, workers, shares):
                pass

    def _start(self, number: int) -> Worker:
        container = self._model.primary_container or self._model.containers[0]
        name = f"{self._name}-{number + 1}"
        root = self._folder / name
        root.mkdir(parents=True)
        try:
            artifacts = Artifacts(self._folder / "artifacts", self._house)
            role = self._model.execution_role_arn
            artifacts.give(model_data_of(container), role, root / "model")
        except Unavailable as error:
            raise Failed(f"ClientError: {error}") from error
        running = self._house.runner.start(
            Container(
                name=name,
                image=container.get("Image", ""),
                command="serve",
                root=root,
                environment=self._environment(container.get("Environment") or {}),
                instance_type=self._job["TransformResources"]["InstanceType"],
                isolated=bool(self._model.enable_network_isolation),
            )
        )
        client = httpx.Client(base_url=running.address, timeout=self._seconds, trust_env=False)
        stream = f"{self._name}/i-{number + 1:017x}-{int(time.time())}"
        logs = [Stream(self._access, LOG_GROUP, each) for each in (stream, f"{stream}/data-log")]
        return Worker(running, root, client, Tail(running.log), *logs)

    def _environment(self, of_model: Mapping[str, str]) -> dict[str, str]:
        said = {
            "SAGEMAKER_MAX_PAYLOAD_IN_MB": self._job.get("MaxPayloadInMB"),
            "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": self._job.get("MaxConcurrentTransforms"),
            "SAGEMAKER_BATCH_STRATEGY": snake(self._job.get("BatchStrategy")),
        }
        ours = {name: str(value) for name, value in said.items() if value}
        given = dict(self._job.get("Environment") or {})
        return {**of_model, **given, "SAGEMAKER_BATCH": "true", **ours}

    def _wait_until_healthy(self, worker: Worker) -> None:
        def settled() -> bool:
            return (
                worker.running.exit_code() is not None or self._stopped.is_set() or worker.pings()
            )

        in_time = wait_until(settled, STARTUP_SECONDS, every=0.1)
        if worker.running.exit_code() is not None or not in_time:
            raise Failed(
                "AlgorithmError: Model container failed to respond to ping; Please ensure /ping "
                "endpoint is implemented and responds with an HTTP 200 status code"
            )

    def _work(self, worker: Worker, entries: Sequence[Entry]) -> None:
        """All objects of one instance."""
        settings = worker.settings(self._job)
        worker.say(", ".join(f"{name}={value}" for name, value in settings.items()))
        at_once = int(settings["MaxConcurrentTransforms"])
        self._most_bytes = int(settings["MaxPayloadInMB"]) * MEGABYTE
        with ThreadPoolExecutor(at_once) as pool:
            for _ in pool.map(lambda entry: self._transform(worker, entry), entries):
                worker.stream.write(worker.tail.lines())

    def _transform(self, worker: Worker, entry: Entry) -> None:
        if self._stopped.is_set():
            return
        name = f"{entry.place.bucket}/{entry.place.key}"
        try:
            content = self._bucket.read(entry.place)
            if self._job["TransformInput"].get("CompressionType") == "Gzip":
                content = gzip.decompress(content)
            if self._most_bytes and len(content) > self._most_bytes:
                raise Unreadable(f"{len(content)} bytes exceed MaxPayloadInMB")
            answer = worker.ask(content, self._headers(), self._retries + 1, self._stopped)
        except (Unreadable, OSError) as error:
            self._blame(worker, name, "ClientError", "ClientError", str(error))
            return
        except httpx.HTTPError as error:
            fault = f"Unable to get response from algorithm: {error!r}"
            self._blame(worker, name, "AlgorithmError", fault, "")
            return
        if answer.status_code == 200:
            self._write(entry, answer.content)
        elif 400 <= answer.status_code < 500:
            fault = f"ClientError: {answer.status_code}"
            self._blame(worker, name, "ClientError", fault, answer.text)
        else:
            fault = f"Bad HTTP status received from algorithm: {answer.status_code}"
            self._blame(worker, name, "AlgorithmError", fault, answer.text)

    def _headers(self) -> dict[str, str]:
        kind, accepted = self._job["TransformInput"], self._job["TransformOutput"]
        headers = {"Content-Type": kind.get("ContentType"), "Accept": accepted.get("Accept")}
        return {name: value for name, value in headers.items() if value}

    def _write(self, entry: Entry, content: bytes) -> None:
        output = self._job["TransformOutput"]
        place = Place.of(output["S3OutputPath"]).below(f"{entry.name}.out")
        self._bucket.write(place, content, output.get("KmsKeyId"))

    def _blame(self, worker: Worker, name: str, kind: str, fault: str, message: str) -> None:
        self._faults.add(kind)
        for line in (fault, "", "Message:", message):
            worker.say(f"{name}: {line}")
