"""Hyperparameter tuning jobs: training jobs, several at a time, until the search has what it may.

What Describe says of a tuning job's training jobs is read from those each time it is asked.
"""

import logging
import secrets
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from moto.sagemaker.exceptions import ValidationError

from kennel.local.aws.house import House
from kennel.local.aws.joblog import usable
from kennel.local.aws.jobs import jobs
from kennel.local.aws.jobs.jobs import TrainingJobs
from kennel.local.aws.jobs.records import ENDED, Document, Kind, Record, Records, spoken
from kennel.local.aws.jobs.trials import (
    METRIC,
    best_of,
    check,
    objective_status,
    parents_of,
    training_request,
    value_of,
)

if TYPE_CHECKING:
    from kennel.local.aws.jobs.search import Search

LOOK = 0.3  # real seconds between looks at the training jobs
ALL_FAILED = (
    "All training jobs failed. Please take a look at the training jobs failures to get more "
    "details."
)
TUNING = Kind(
    "HyperParameterTuningJob",
    "hyper-parameter-tuning-job",
    (
        "HyperParameterTuningJobName",
        "HyperParameterTuningJobArn",
        "HyperParameterTuningJobStatus",
        "CreationTime",
        "HyperParameterTuningEndTime",
        "LastModifiedTime",
    ),
)
log = logging.getLogger("kennel.tuning")


class TuningJobs:
    def __init__(self, house: House, training: TrainingJobs) -> None:
        self._house = house
        self._training = training
        self.records = Records(house, TUNING)
        self._running: dict[str, Tuning] = {}

    def create(self, request: Mapping[str, Any]) -> str:
        from kennel.local.aws.jobs.search import Search  # noqa: PLC0415 - Optuna takes a second or two

        config = check(request)
        try:
            search = Search(config)
        except ValueError as error:
            raise ValidationError(str(error)) from error
        definition = request["TrainingJobDefinition"]
        jobs.check(training_request(definition, "check", {}, config), self._house)
        for parent in parents_of(request):
            for summary in map(self._summary, self._trainings(self.records.get(parent))):
                if "FinalHyperParameterTuningJobObjectiveMetric" in summary:
                    value = summary["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
                    search.remember(summary["TunedHyperParameters"], value)
        name = request["HyperParameterTuningJobName"]
        record = self.records.add(name, request)
        tuning = Tuning(record, self.records, self._training, search)
        self._running[name] = tuning
        threading.Thread(target=tuning.run, name=name, daemon=True).start()
        return record.arn

    def stop(self, name: str) -> None:
        record = self.records.get(name)
        if record.status != "InProgress":
            raise ValidationError(
                "The request was rejected because the hyperparameter tuning job is in status "
                f"{record.status}."
            )
        self.records.update(name, HyperParameterTuningJobStatus="Stopping")
        self._running[name].stop()

    def delete(self, name: str) -> None:
        if self.records.get(name).status not in ENDED:
            raise ValidationError(f"{name} is in progress: stop it before you delete it.")
        self.records.delete(name)

    def described(self, name: str) -> Document:
        record = self.records.get(name)
        best = best_of(record, map(self._summary, self._trainings(record)))
        answer = self.records.described(name) | self._counters(record)
        return answer | ({"BestTrainingJob": spoken(best)} if best else {})

    def listed(self, request: Mapping[str, Any]) -> Document:
        found, token = self.records.listed(request)
        summaries = []
        for record, summary in zip(found, self.records.summaries(found), strict=True):
            config = record.document["HyperParameterTuningJobConfig"]
            more = {"Strategy": config["Strategy"], "ResourceLimits": config["ResourceLimits"]}
            summaries.append(summary | more | self._counters(record))
        answer: Document = {"HyperParameterTuningJobSummaries": summaries}
        return answer | ({"NextToken": token} if token else {})

    def trainings(self, request: Mapping[str, Any]) -> Document:
        """ListTrainingJobsForHyperParameterTuningJob."""
        record = self.records.get(request["HyperParameterTuningJobName"])
        asked = {"SortBy": "Name", "SortOrder": "Ascending"} | dict(request)
        found, token = self._training.records.listed(
            asked, lambda each: each.document.get("TuningJobArn") == record.arn, value_of
        )
        answer = {"TrainingJobSummaries": [spoken(self._summary(each)) for each in found]}
        return answer | ({"NextToken": token} if token else {})

    def close(self) -> None:
        for tuning in self._running.values():
            tuning.abandon()

    def _trainings(self, record: Record) -> list[Record]:
        return [e for e in self._training.records if e.document.get("TuningJobArn") == record.arn]

    def _counters(self, record: Record) -> Document:
        found = self._trainings(record)
        statuses = [each.status for each in found]
        objectives = [objective_status(each) for each in found]
        return {
            "TrainingJobStatusCounters": {
                "Completed": statuses.count("Completed"),
                "InProgress": statuses.count("InProgress") + statuses.count("Stopping"),
                "RetryableError": 0,
                "NonRetryableError": statuses.count("Failed"),
                "Stopped": statuses.count("Stopped"),
            },
            "ObjectiveStatusCounters": {
                name: objectives.count(name) for name in ("Succeeded", "Pending", "Failed")
            },
        }

    def _summary(self, record: Record) -> Document:
        """Of a training job, as tuning shows it."""
        document = record.document
        tuning = self.records.get(document["TuningJobArn"].rpartition("/")[2]).document
        static = tuning["TrainingJobDefinition"].get("StaticHyperParameters") or {}
        tuned = {
            name: value
            for name, value in document["HyperParameters"].items()
            if name != METRIC and name not in static
        }
        names = ("TrainingJobName", "TrainingJobArn", "CreationTime", "TrainingStartTime",
                 "TrainingEndTime", "TrainingJobStatus", "FailureReason")  # fmt: skip
        summary = {name: document[name] for name in names if name in document}
        summary |= {"TunedHyperParameters": tuned, "ObjectiveStatus": objective_status(record)}
        value = value_of(record)
        if value is not None:
            objective = tuning["HyperParameterTuningJobConfig"]["HyperParameterTuningJobObjective"]
            summary["FinalHyperParameterTuningJobObjectiveMetric"] = objective | {"Value": value}
        return summary


class Tuning:
    """One tuning job under way, in a thread of its own."""

    def __init__(
        self, record: Record, records: Records, training: TrainingJobs, search: "Search"
    ) -> None:
        self._record, self._records, self._training = record, records, training
        self._search = search
        self._config = record.document["HyperParameterTuningJobConfig"]
        self._running: list[str] = []
        self._started = 0
        self._values: list[float] = []
        self._finished = threading.Event()  # start no more
        self._abandoned = False
        self._began = time.monotonic()

    def stop(self) -> None:
        self._finished.set()

    def abandon(self) -> None:
        """Touch nothing any more: the process ends."""
        self._abandoned = True
        self._finished.set()

    def run(self) -> None:
        name = self._record.name
        try:
            while not self._abandoned and self._step():
                self._finished.wait(LOOK) if not self._finished.is_set() else time.sleep(LOOK)
        except Exception as error:
            log.exception("%s", name)
            self._finish("Failed", f"InternalServerError: {error}")
            return
        if self._abandoned:
            return
        if self._record.status == "Stopping":
            self._finish("Stopped")
        elif self._started and not self._values:
            self._finish("Failed", ALL_FAILED)
        else:
            self._finish("Completed")

    def _step(self) -> bool:
        """Look at those that run, start others. False: there is no more to do."""
        for job in list(self._running):
            self._look_at(job)
        if self._enough():
            self._finished.set()
        if self._finished.is_set():
            for job in self._running:
                self._stop(job)
            return bool(self._running)
        at_once = self._config["ResourceLimits"]["MaxParallelTrainingJobs"]
        while len(self._running) < at_once and self._started < self._search.most:
            self._start()
        return bool(self._running)

    def _start(self) -> None:
        self._started += 1
        job = f"{self._record.name}-{self._started:03}-{secrets.token_hex(4)}"
        definition = self._record.document["TrainingJobDefinition"]
        request = training_request(definition, job, self._search.ask(job), self._config)
        self._training.create(request, TuningJobArn=self._record.arn)
        self._running.append(job)

    def _look_at(self, job: str) -> None:
        record = self._training.records.get(job)
        metric = self._config["HyperParameterTuningJobObjective"]["MetricName"]
        if record.status in ENDED:
            value = value_of(record) if record.status != "Failed" else None
            self._search.tell(job, value)
            self._running.remove(job)
            if usable(value):
                self._values.append(value)
        elif self._search.hopeless(job, self._training.metric(job, metric)):
            self._stop(job)

    def _stop(self, job: str) -> None:
        if self._training.records.get(job).status == "InProgress":
            try:
                self._training.stop(job)
            except ValidationError:  # it has ended between the two
                log.info("%s has ended by itself", job)

    def _enough(self) -> bool:
        most = self._config["ResourceLimits"].get("MaxRuntimeInSeconds")
        if most and time.monotonic() - self._began > most:
            return True
        wanted = self._config.get("TuningJobCompletionCriteria") or {}
        larger = self._config["HyperParameterTuningJobObjective"]["Type"] == "Maximize"
        values = self._values if larger else [-value for value in self._values]
        target = wanted.get("TargetObjectiveMetricValue")
        if target is not None and values and max(values) >= (target if larger else -target):
            return True
        patience = (wanted.get("BestObjectiveNotImproving") or {}).get(
            "MaxNumberOfTrainingJobsNotImproving"
        )
        return bool(patience and values and len(values) - 1 - values.index(max(values)) >= patience)

    def _finish(self, status: str, reason: str = "") -> None:
        self._records.update(
            self._record.name,
            HyperParameterTuningJobStatus=status,
            HyperParameterTuningEndTime=time.time(),
            ConsumedResources={"RuntimeInSeconds": int(time.monotonic() - self._began)},
            **({"FailureReason": reason} if reason else {}),
        )
