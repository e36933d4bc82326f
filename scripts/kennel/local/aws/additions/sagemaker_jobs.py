"""SageMaker's jobs for moto: training, tuning and transform jobs that run and move through states.

moto's are born Completed. POST /moto-api/kennel/spot-interruption/JOB?grace=SECONDS takes a job's
Spot instances away.
"""

import json
from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.moto_api._internal import urls
from moto.sagemaker.exceptions import ValidationError
from moto.sagemaker.models import sagemaker_backends
from moto.sagemaker.responses import SageMakerResponse

from kennel.local.aws import shapes
from kennel.local.aws.house import House
from kennel.local.aws.jobs.jobs import TrainingJobs
from kennel.local.aws.jobs.records import Records
from kennel.local.aws.jobs.training import GRACE
from kennel.local.aws.jobs.transform import TransformJobs
from kennel.local.aws.jobs.tuning import TuningJobs

Request = dict[str, Any]


def install(house: House) -> None:
    training = house.share(TrainingJobs(house))
    house.on_restart(training.records.load)
    house.on_close(training.close)
    backend = sagemaker_backends[house.account][house.region]
    backend.training_jobs = training.records.by_name()  # type: ignore[assignment] # for its tags
    complete_training(house, training)
    tuning = house.share(TuningJobs(house, training))
    house.on_restart(tuning.records.load)
    house.on_close(tuning.close)
    backend.hyper_parameter_tuning_jobs = tuning.records.by_name()  # type: ignore[assignment]
    complete_tuning(house, tuning)
    transform = house.share(TransformJobs(house))
    house.on_restart(transform.records.load)
    house.on_close(transform.close)
    backend.transform_jobs = transform.records.by_name()  # type: ignore[assignment]
    complete_transform(house, transform)


def operation(house: House, name: str, answer: Any) -> None:
    """Let a function of the request answer an operation; creation is not for the journal."""

    def respond(self: SageMakerResponse) -> ActionResult:
        request: Request = json.loads(self.body or "{}")
        shapes.check("sagemaker", name, request)
        result = answer(request)
        return EmptyResult() if result is None else ActionResult(result)

    house.journal.leave_out(name)
    setattr(SageMakerResponse, snake(name), respond)


def snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


def complete_training(house: House, jobs: TrainingJobs) -> None:
    def create(request: Request) -> Request:
        return {"TrainingJobArn": jobs.create(request)}

    operation(house, "CreateTrainingJob", create)
    common(house, jobs.records, jobs.stop)
    operation(house, "DeleteTrainingJob", lambda request: jobs.delete(request["TrainingJobName"]))
    urls.url_paths["{0}/moto-api/kennel/spot-interruption/(?P<job>[^/]+)$"] = interrupter(jobs)


def common(house: House, records: Records, stop: Any) -> None:
    """Describe, List and Stop, which all kinds of jobs have alike."""
    noun = records.kind.noun

    def listed(request: Request) -> Request:
        found, token = records.listed(request)
        answer: Request = {summaries_of(noun): records.summaries(found)}
        return answer | ({"NextToken": token} if token else {})

    operation(house, f"Describe{noun}", lambda request: records.described(request[f"{noun}Name"]))
    operation(house, f"List{noun}s", listed)
    operation(house, f"Stop{noun}", lambda request: stop(request[f"{noun}Name"]))


def summaries_of(noun: str) -> str:
    return f"{noun}Summaries"


def complete_tuning(house: House, jobs: TuningJobs) -> None:
    noun = jobs.records.kind.noun

    def create(request: Request) -> Request:
        return {f"{noun}Arn": jobs.create(request)}

    operation(house, f"Create{noun}", create)
    operation(house, f"Describe{noun}", lambda request: jobs.described(request[f"{noun}Name"]))
    operation(house, f"List{noun}s", jobs.listed)
    operation(house, f"ListTrainingJobsFor{noun}", jobs.trainings)
    operation(house, f"Stop{noun}", lambda request: jobs.stop(request[f"{noun}Name"]))
    operation(house, f"Delete{noun}", lambda request: jobs.delete(request[f"{noun}Name"]))


def complete_transform(house: House, jobs: TransformJobs) -> None:
    def create(request: Request) -> Request:
        return {"TransformJobArn": jobs.create(request)}

    operation(house, "CreateTransformJob", create)
    common(house, jobs.records, jobs.stop)


def interrupter(jobs: TrainingJobs) -> Any:
    def interrupt(request: Any, full_url: str, _: Any) -> tuple[int, dict[str, str], str]:
        name = full_url.partition("?")[0].rpartition("/")[2]
        try:
            jobs.interrupt(name, float(request.args.get("grace", GRACE)))
        except (ValidationError, ValueError) as error:
            return 400, {}, json.dumps({"message": str(error)})
        return 200, {}, json.dumps({"interrupted": name})

    return interrupt
