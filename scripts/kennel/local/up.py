"""From nothing to an answer of the emulated account: start, platform, training, service, a picture.

Each step is skipped or changes nothing where its work is done already, so that the whole can be
run again after any of it failed, was changed, or was ended.
"""

import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import httpx
from botocore.config import Config
from botocore.exceptions import ClientError

from kennel import sample
from kennel.errors import UserError
from kennel.local.account import Account
from kennel.local.built import image_id, sources_id
from kennel.local.job import COUNTS, PREFIX, job_name, job_request
from kennel.local.terraform import Stack, environment
from kennel.places import ROOT

READY_SECONDS = 300.0


@dataclass(frozen=True)
class Wishes:
    """What the command was asked for."""

    port: int | None  # as it was at the first start, where nothing is said
    runner: str | None
    speed: float | None
    classes: int = 4
    model: str | None = None  # a path
    values: Mapping[str, Any] | None = None  # more variables of the service root


class Journey:
    """The account on its way up; each method is a step, and returns what it tells of itself."""

    def __init__(self, account: Account, wishes: Wishes) -> None:
        self._account, self._wishes = account, wishes
        self._outputs: dict[str, dict[str, Any]] = {}
        self._running: dict[str, Any] = {}

    @property
    def address(self) -> str:
        return str(self._running["address"])

    def start(self) -> str:
        self._account.home.mkdir(parents=True, exist_ok=True)
        wishes = self._wishes
        self._running = self._account.start(
            port=wishes.port, runner=wishes.runner, speed=wishes.speed
        )
        return f"all services at {self.address}"

    def platform(self) -> str:
        """Terraform waits more than it works here, so pictures are drawn meanwhile."""
        self._stack = Stack(
            self._account.home / "tree",
            self.address,
            self._running["region"],
            self._account.home / "terraform.log",
        )
        with ThreadPoolExecutor() as pool:
            drawn = None if self._wishes.model else pool.submit(self._draw)
            packed = pool.submit(self._pack)
            self._apply("platform", platform_values(self._running["region"]))
            packed.result()
            if drawn:
                drawn.result()
        return ", ".join(sorted(self._outputs["platform"]["bucket_names"].values()))

    def train(self) -> str:
        """A training job of the emulated SageMaker, unless one like it has been completed."""
        if self._wishes.model:
            path = Path(self._wishes.model)
            if not path.exists():
                raise UserError(f"{path} is gone: give another --model, or --classes to train one")
            return self._upload_model(path)
        image = self._image("train")
        name = job_name(self._wishes.classes, image)
        job = self._job(name)
        if job is None or job["TrainingJobStatus"] in ("Failed", "Stopped"):
            name = f"{name}-{int(time.time())}" if job else name
            self._upload_pictures()
            given = self._outputs["platform"]["training_job"]
            request = job_request(name, image, self._dataset, given)
            self._client("sagemaker").create_training_job(**request)
        while (job := self._job(name)) and job["TrainingJobStatus"] in ("InProgress", "Stopping"):
            time.sleep(0.5)
        if job is None or job["TrainingJobStatus"] != "Completed":
            reason = (job or {}).get("FailureReason", "it is gone")
            raise UserError(f"training job {name} did not complete: {reason}")
        self._model_data = str(job["ModelArtifacts"]["S3ModelArtifacts"])
        return self._model_data

    def service(self) -> str:
        self._apply("service", self._service_values())
        self._wait_until_in_service()
        service = self._outputs["service"] | {"predict_url": f"{self.api}/v1/predict"}
        told = json.dumps(self._outputs | {"service": service}, indent=2)
        (self._account.home / "outputs.json").write_text(told)
        return self.api

    def ask(self) -> dict[str, Any]:
        """One picture through the API, as a stranger with the key would send it."""
        picture = self._picture()
        key = self._outputs["service"]["api_key"]
        answer = httpx.post(
            f"{self.api}/v1/predict",
            params={"top": 3},
            content=picture.read_bytes(),
            headers={"Content-Type": "image/jpeg"} | ({"x-api-key": key} if key else {}),
            timeout=60,
            trust_env=False,
        )
        if answer.is_error:
            raise UserError(f"the API answered {answer.status_code}: {answer.text}")
        return {"picture": str(picture), **answer.json()}

    @property
    def api(self) -> str:
        """The stage's address; Terraform's own says amazonaws.com."""
        return local_api(str(self._running["api"]), str(self._outputs["service"]["predict_url"]))

    @property
    def example(self) -> str:
        key = self._outputs["service"]["api_key"]
        header = f" -H 'x-api-key: {key}'" if key else ""
        return (
            f"curl --data-binary @{self._picture()} -H 'Content-Type: image/jpeg'{header} "
            f"'{self.api}/v1/predict?top=3'"
        )

    def _apply(self, root: str, values: dict[str, Any]) -> None:
        self._outputs[root] = self._stack.apply(root, values)

    def _draw(self) -> None:
        folder = self._pictures
        if not folder.exists():
            folder.parent.mkdir(parents=True, exist_ok=True)
            classes = self._wishes.classes
            list(sample.make_set(folder, classes=classes, counts=COUNTS, seed=1, processes=1))

    def _pack(self) -> None:
        target = self._account.home / "tree/build/invoke.zip"
        target.parent.mkdir(parents=True, exist_ok=True)
        script = str(ROOT / "scripts/tools/function_zip.py")
        subprocess.run([sys.executable, script, str(target)], check=True, capture_output=True)

    @property
    def _pictures(self) -> Path:
        return self._account.home / f"pictures-{self._wishes.classes}"

    def _picture(self) -> Path:
        if self._wishes.model and not self._pictures.exists():
            self._draw()
        return min(self._pictures.glob("test/*/*.jpg"))

    def _job(self, name: str) -> dict[str, Any] | None:
        with suppress(ClientError):
            found: dict[str, Any] = self._client("sagemaker").describe_training_job(
                TrainingJobName=name
            )
            return found
        return None

    @property
    def _dataset(self) -> str:
        bucket = self._outputs["platform"]["bucket_names"]["data"]
        return f"s3://{bucket}/sample-{self._wishes.classes}"

    def _upload_pictures(self) -> None:
        s3, place = self._client("s3"), self._dataset.removeprefix("s3://")
        bucket, _, prefix = place.partition("/")

        def upload(path: Path) -> None:
            key = f"{prefix}/{path.relative_to(self._pictures)}"
            s3.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())

        with ThreadPoolExecutor(max_workers=4) as pool:
            list(pool.map(upload, files_in(self._pictures)))

    def _upload_model(self, path: Path) -> str:
        content = path.read_bytes()
        bucket = self._outputs["platform"]["bucket_names"]["models"]
        key = f"given/{hashlib.sha256(content).hexdigest()[:12]}/model.tar.gz"
        self._client("s3").put_object(Bucket=bucket, Key=key, Body=content)
        self._model_data = f"s3://{bucket}/{key}"
        return self._model_data

    def _service_values(self) -> dict[str, Any]:
        return {
            "data_bucket": self._outputs["platform"]["bucket_names"]["data"],
            "function_zip": "../../build/invoke.zip",
            "image": self._image("serve"),
            "kms_key_arn": self._outputs["platform"]["kms_key_arn"],
            "model_data": self._model_data,
            "prefix": PREFIX,
            "region": self._running["region"],
            "running_instances": self._instances(),
            **(self._wishes.values or {}),
        }

    def _image(self, part: str) -> str:
        """The address in the emulated registry, by the id of what was built here, or lies here."""
        url = self._outputs["platform"]["repository_urls"][part]
        return f"{url}@{image_id(part) if self._account.runner == 'docker' else sources_id(part)}"

    def _instances(self) -> int | None:
        """What autoscaling has reached, which a new release is to keep."""
        with suppress(ClientError):
            found = self._client("sagemaker").describe_endpoint(EndpointName=PREFIX)
            return sum(int(each["DesiredInstanceCount"]) for each in found["ProductionVariants"])
        return None

    def _wait_until_in_service(self) -> None:
        """After a restart, when Terraform has nothing to do, the instances may not be up yet."""
        sagemaker, deadline = self._client("sagemaker"), time.monotonic() + READY_SECONDS
        while True:
            found = sagemaker.describe_endpoint(EndpointName=PREFIX)
            status = found["EndpointStatus"]
            if status == "InService":
                return
            if status == "Failed" or time.monotonic() > deadline:
                raise UserError(f"the endpoint is {status}: {found.get('FailureReason', '')}")
            time.sleep(0.2)

    def _client(self, service: str) -> Any:
        return client(service, self.address, self._running["region"])


def client(service: str, address: str, region: str) -> Any:
    settings = environment(address, region)
    return boto3.client(
        service,
        endpoint_url=address,
        region_name=region,
        aws_access_key_id=settings["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=settings["AWS_SECRET_ACCESS_KEY"],
        config=Config(retries={"total_max_attempts": 2}, s3={"addressing_style": "path"}),
    )


def platform_values(region: str) -> dict[str, Any]:
    return {
        "prefix": PREFIX,
        "region": region,
        "force_destroy": True,
        "network": {"interface_endpoints": []},
    }


def local_api(address: str, predict_url: str) -> str:
    """https://ID.execute-api.REGION.amazonaws.com/STAGE/v1/predict, where it is answered here."""
    host, _, rest = predict_url.removeprefix("https://").partition("/")
    stage = rest.partition("/")[0]
    return f"{address}/restapis/{host.partition('.')[0]}/{stage}/_user_request_"


def files_in(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())
