"""A function's version, and an environment that runs it as Lambda would."""

import time
import zipfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from moto.awslambda.models import LambdaFunction

from kennel.local.aws import roles
from kennel.local.aws.house import House
from kennel.local.aws.lambdas.lines import Lines
from kennel.local.aws.lambdas.outcome import Outcome, lost, unloadable
from kennel.local.environment import Environment, Lost, TimedOut, Unready
from kennel.local.processes import clean_environment

INIT_SECONDS = 10.0  # for loading the handler; after them it is begun anew, within the call


@dataclass(frozen=True)
class Version:
    """What distinguishes the environments of one version from all others."""

    name: str
    number: str
    arn: str
    role: str
    handler: str
    memory: int
    timeout: int
    code: Path
    variables: tuple[tuple[str, str], ...]

    @property
    def group(self) -> str:
        return f"/aws/lambda/{self.name}"

    @classmethod
    def of(cls, function: LambdaFunction, folder: Path) -> "Version":
        """As moto has it; its code is unpacked below the folder."""
        return cls(
            name=function.function_name,
            number=str(function.version),
            arn=function.function_arn,
            role=function.role,
            handler=str(function.handler),
            memory=int(function.memory_size),
            timeout=int(function.timeout),
            code=unpacked(function.code_bytes, folder / function.code_digest),
            variables=tuple(sorted((function.environment_vars or {}).items())),
        )


def unpacked(content: bytes, folder: Path) -> Path:
    """The zip's files, once for all that run them."""
    if not folder.exists():
        new = folder.with_suffix(".new")
        with zipfile.ZipFile(BytesIO(content)) as archive:
            archive.extractall(new)  # which keeps members below the folder
        new.rename(folder)
    return folder


class Sandbox:
    """An execution environment of a version, for one call at a time."""

    def __init__(self, house: House, version: Version, kind: str = "on-demand") -> None:
        self.version = version
        self._house = house
        self._kind = kind
        self._lines = Lines(house, version.role, version.group, version.number)
        self._environment: Environment | None = None
        self._init = 0.0  # seconds that loading took, until a report has said so

    @property
    def alive(self) -> bool:
        return self._environment is not None and self._environment.alive

    async def load(self, seconds: float) -> None:
        """Start the process and load the handler. Raises Unready or Lost."""
        began = time.monotonic()
        self._lines.begin()
        environment = self._environment = await Environment.start(
            self.version.handler,
            self._variables(),
            folder=self.version.code,
            megabytes=self.version.memory,
            logged=True,
        )
        try:
            await environment.loaded(seconds)
        finally:
            self._lines.add(environment.written())
        self._init = time.monotonic() - began

    async def call(self, event: bytes, request_id: str) -> Outcome:
        """Run the handler on an event, loading it first if nobody has."""
        version = self.version
        try:
            if self._environment is None:
                await self._load_in_time()
            self._lines.start(request_id, version.number)
            began = time.monotonic()
            outcome = await self._answer(event, request_id)
        except (Unready, Lost) as error:
            self._lines.start(request_id, version.number)
            began = time.monotonic()
            outcome = broken(error, version, request_id)
        seconds = time.monotonic() - began
        self._lines.end(
            request_id,
            outcome,
            seconds=seconds,
            init=self._init,
            megabytes=version.memory,
            used=self._environment.most_memory if self._environment else 0,
        )
        outcome.log = self._lines.send()
        self._init = 0.0
        return outcome

    async def end(self) -> None:
        if self._environment:
            await self._environment.end()

    async def _load_in_time(self) -> None:
        try:
            await self.load(INIT_SECONDS)
        except TimedOut:
            await self.load(self.version.timeout)

    async def _answer(self, event: bytes, request_id: str) -> Outcome:
        version, environment = self.version, self._environment
        assert environment is not None  # noqa: S101 - loaded
        try:
            answer = await environment.run(
                event, request_id=request_id, arn=version.arn, seconds=version.timeout
            )
        except Lost as error:
            return broken(error, version, request_id)
        finally:
            self._lines.add(environment.written())
        return Outcome(answer.body, version.number, failed=answer.failed)

    def _variables(self) -> dict[str, str]:
        """What Lambda sets, over what the function's configuration does."""
        house, version = self._house, self.version
        own = {
            "AWS_EXECUTION_ENV": "AWS_Lambda_python3.12",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(version.memory),
            "AWS_LAMBDA_FUNCTION_NAME": version.name,
            "AWS_LAMBDA_FUNCTION_VERSION": version.number,
            "AWS_LAMBDA_INITIALIZATION_TYPE": self._kind,
            "AWS_LAMBDA_LOG_GROUP_NAME": version.group,
            "AWS_LAMBDA_LOG_STREAM_NAME": self._lines.stream,
            "AWS_DEFAULT_REGION": house.region,
            "AWS_REGION": house.region,
            "LAMBDA_TASK_ROOT": str(version.code),
            "PYTHONPATH": str(version.code),
            "TZ": ":UTC",
            "_HANDLER": version.handler,
            # Where AWS is. Kennel's function looks for the address of each service by itself.
            "AWS_ENDPOINT_URL": house.address,
            "AWS_ENDPOINT_URL_S3": house.address,
            "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": house.address,
        }
        keys = roles.credentials(house, version.role, version.name)
        return clean_environment(**dict(version.variables)) | own | keys


def broken(error: Unready | Lost, version: Version, request_id: str) -> Outcome:
    if isinstance(error, Unready):
        return unloadable(error.document, version.number, request_id)
    return lost(error, version.number, request_id, version.timeout)
