"""One training job: its hosts, its folders, its phases from Starting to the end."""

import logging
import math
import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from kennel.errors import UserError
from kennel.local.aws.bucket import Access, Bucket, Place, Unreadable
from kennel.local.aws.house import House
from kennel.local.aws.joblog import Meter, Stream, Tail
from kennel.local.aws.jobs.hosts import Host, prepare, reason_of
from kennel.local.aws.jobs.records import Document, Records
from kennel.local.aws.running.runner import Container

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
GRACE = 120.0  # real seconds from SIGTERM to SIGKILL
LOOK = 0.5  # real seconds between looks at logs and checkpoints
CAPACITY = 60.0  # seconds of the clock until there are Spot instances again
MOST_REASON = 1024  # characters
log = logging.getLogger("kennel.training")


class End(Enum):
    COMPLETED = "Completed"
    FAILED = "Failed"
    STOPPED = "Stopped"
    TOO_LONG = "MaxRuntimeExceeded"
    WAITED_TOO_LONG = "MaxWaitTimeExceeded"
    INTERRUPTED = "Interrupted"


LAST_WORDS = {
    End.COMPLETED: "Training job completed",
    End.FAILED: "Training job failed",
    End.STOPPED: "Training job stopped",
    End.TOO_LONG: "Training job runtime exceeded MaxRuntimeInSeconds provided",
    End.WAITED_TOO_LONG: "Training job waited longer than MaxWaitTimeInSeconds provided",
}


class Failed(Exception):
    """The job has failed; the message is its reason."""


@dataclass
class Training:
    """Runs in a thread of its own; `stop` and `interrupt` are called from others."""

    house: House
    records: Records
    name: str
    at_end: Callable[[], None] = lambda: None
    meter: Meter = field(init=False)

    def __post_init__(self) -> None:
        self._job: Document = self.records.get(self.name).document
        self._folder = self.house.folder("training-jobs") / self.name
        self._wish: tuple[End, float] | None = None  # and the grace it gives
        self._woken = threading.Event()
        self._abandoned = False
        self._attempt = 0
        self._trained = 0.0  # seconds, in all attempts
        self._access = Access(self.house, self._job["RoleArn"], "SageMaker")
        self._bucket = Bucket(self._access)
        definitions = self._job["AlgorithmSpecification"].get("MetricDefinitions") or []
        self.meter = Meter(self._access, self.name, definitions)

    def stop(self) -> None:
        self._wake(End.STOPPED, GRACE)

    def interrupt(self, grace: float = GRACE) -> None:
        """As if the Spot instances were taken back: SIGTERM, and SIGKILL after the grace."""
        self._wake(End.INTERRUPTED, grace)

    def abandon(self) -> None:
        """End all hosts, say nothing more: the whole process ends."""
        self._abandoned = True
        self._wake(End.STOPPED, 0)

    def run(self) -> None:
        reason, end = "", End.FAILED
        try:
            end = self._run()
        except Failed as error:
            reason = str(error)
        except UserError as error:  # what the runner lacks
            reason = f"ClientError: {error}"
        except Unreadable as error:
            reason = f"ClientError: Data download failed: {error}"
        except Exception as error:
            if not self._abandoned:
                log.exception("%s", self.name)
            reason = f"InternalServerError: {error}"
        try:
            if not self._abandoned:
                self._conclude(end, reason)
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)
            self.at_end()

    def _run(self) -> End:
        while True:
            self._attempt += 1
            self._move("Starting", "Preparing the instances for training")
            end = self._try()
            if self._wish and self._wish[0] is End.STOPPED:  # it may have come meanwhile
                return End.STOPPED
            if end is not End.INTERRUPTED:
                return end
            self._wish = None
            self._woken.clear()
            self._move("Interrupted", "Training job interrupted: Spot instances were reclaimed")
            if ended := self._wait_for_capacity():
                return ended

    def _try(self) -> End:
        """All hosts from empty folders to their end."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._move("Downloading", "Downloading input data")
        hosts = self._hosts()
        if self._wish:
            return self._wish[0]
        self._move("Training", "Training image download completed. Training in progress.")
        began = time.time()
        self._job.setdefault("TrainingStartTime", began)
        try:
            for host in hosts:
                self._start(host, len(hosts))
            return self._watch(hosts)
        finally:
            self._trained += time.time() - began
            for host in hosts:
                if host.running and host.code is None:
                    host.running.kill()
            if len(hosts) > 1:
                self.house.runner.forget(self.name)

    def _hosts(self) -> list[Host]:
        runner = self.house.runner
        names = runner.hosts(self._job["ResourceConfig"].get("InstanceCount", 1))
        hosts = [Host(name, self._folder / name) for name in names]
        prepare(hosts, self._job, runner.interface, self._bucket)
        return hosts

    def _start(self, host: Host, count: int) -> None:
        number = int(host.name.rpartition("-")[2].rpartition(".")[2])
        environment = dict(self._job.get("Environment") or {})
        environment |= {
            "TRAINING_JOB_NAME": self.name,
            "TRAINING_JOB_ARN": self._job["TrainingJobArn"],
        }
        host.running = self.house.runner.start(
            Container(
                name=f"{self.name}-algo-{number}-{self._attempt}",
                image=self._job["AlgorithmSpecification"]["TrainingImage"],
                command="train",
                root=host.root,
                environment=environment,
                instance_type=self._job["ResourceConfig"]["InstanceType"],
                isolated=bool(self._job.get("EnableNetworkIsolation")),
                host=host.name,
                network=self.name if count > 1 else "",
            )
        )
        host.tail = Tail(host.running.log)
        stream = f"{self.name}/algo-{number}-{int(time.time())}"
        host.stream = Stream(self._access, LOG_GROUP, stream)

    def _watch(self, hosts: Sequence[Host]) -> End:
        """Until all have ended well, one has not, or somebody wants it to end."""
        limit = self._job["StoppingCondition"].get("MaxRuntimeInSeconds", 86_400)
        deadline = time.monotonic() + limit - self._trained
        while True:
            codes = [host.code for host in hosts]
            ended = any(codes) or None not in codes
            self._keep_up(hosts, last=ended)
            if any(codes):
                reason = reason_of(hosts)
                self._end(hosts, 0)
                raise Failed(reason)
            if ended:
                return End.COMPLETED
            if self._wish:
                end, grace = self._wish
                self._end(hosts, grace)
                return end
            if time.monotonic() > deadline:
                self._move("Stopping", "Stopping the training job", TrainingJobStatus="Stopping")
                self._end(hosts, GRACE)
                return End.TOO_LONG
            self._woken.wait(LOOK)

    def _keep_up(self, hosts: Sequence[Host], *, last: bool = False) -> None:
        for host in hosts:
            if host.tail and host.stream:
                lines = host.tail.lines(last=last)
                host.stream.write(lines)
                self.meter.read(lines)
            if host.mirror:
                host.mirror.send()

    def _end(self, hosts: Sequence[Host], grace: float) -> None:
        """SIGTERM, and SIGKILL after the grace; without one the checkpoints stay as they were."""
        alive = [host.running for host in hosts if host.running and host.code is None]
        deadline = time.monotonic() + grace
        for running in alive if grace else []:
            running.terminate()
        while any(each.exit_code() is None for each in alive) and time.monotonic() < deadline:
            time.sleep(0.05)
            self._keep_up(hosts)
        for running in alive:
            if running.exit_code() is None:
                running.kill()
        while any(each.exit_code() is None for each in alive):
            time.sleep(0.02)
        if grace:
            self._keep_up(hosts, last=True)

    def _wait_for_capacity(self) -> End | None:
        """Until Spot instances are there again, or not in time."""
        most = self._job["StoppingCondition"].get("MaxWaitTimeInSeconds", 86_400)
        left = most - (time.time() - self._job["CreationTime"])
        if self.house.clock.wait(self._woken, min(CAPACITY, max(0.0, left))):
            return End.STOPPED
        return End.WAITED_TOO_LONG if left < CAPACITY else None

    def _conclude(self, end: End, reason: str) -> None:
        if end is End.COMPLETED:
            self._move("Uploading", "Uploading generated training model")
        try:
            self._upload(end)
        except Exception as error:
            log.exception("%s", self.name)
            end, reason = End.FAILED, f"ClientError: Failed to upload the output: {error}"
        now = time.time()
        seconds = math.ceil(self._trained)
        status = end.value if end in (End.COMPLETED, End.FAILED) else "Stopped"
        kept = {"FailureReason": reason[:MOST_REASON]} if reason else {}
        message = f"{LAST_WORDS[end]}{': ' if reason else ''}{reason}"[:MOST_REASON]
        self._move(
            end.value,
            message,
            EndTime=now,
            TrainingJobStatus=status,
            TrainingEndTime=now,
            TrainingTimeInSeconds=seconds,
            BillableTimeInSeconds=seconds,
            FinalMetricDataList=self.meter.final(),
            **kept,
        )

    def _upload(self, end: End) -> None:
        """Whatever lies in output/data, and the model unless the job has failed."""
        roots = [path for path in self._folder.glob("*") if path.is_dir()]
        config = self._job["OutputDataConfig"]
        key = config.get("KmsKeyId")
        place = output_of(self._job)
        outputs = [root / "output/data" for root in roots]
        if any(each.is_file() for folder in outputs for each in folder.rglob("*")):
            self._bucket.pack(place.below("output.tar.gz"), outputs, key)
        if end is End.FAILED or not roots:
            return
        models = [root / "model" for root in roots]
        if is_loose(self._job):
            self._bucket.copy(place.below("model"), models, key)
        else:
            self._bucket.pack(place.below("model.tar.gz"), models, key)

    def _move(self, secondary: str, message: str, **changes: Any) -> None:
        self.records.move(self.name, secondary, message, **changes)

    def _wake(self, end: End, grace: float) -> None:
        self._wish = (end, grace)
        self._woken.set()


def output_of(job: Mapping[str, Any]) -> Place:
    path = job["OutputDataConfig"]["S3OutputPath"]
    return Place.of(path).below(f"{job['TrainingJobName']}/output")


def is_loose(job: Mapping[str, Any]) -> bool:
    """Whether the model is kept as its files, not as one archive."""
    return bool(job["OutputDataConfig"].get("CompressionType") == "NONE")


def model_of(job: Mapping[str, Any]) -> str:
    """Where the model will be, which is told from the beginning."""
    return str(output_of(job).below("model/" if is_loose(job) else "model.tar.gz"))
