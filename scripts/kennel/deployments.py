"""What was deployed, when and by whom: one small object in S3 for each deployment that ended.

Of a rollback it is also written that it has begun, before it changes anything: repeated after a
kill, it must go where it went.
"""

import json
import secrets
import time
from dataclasses import asdict, dataclass
from typing import Any

from kennel import aws, s3
from kennel.outputs import Outputs

BEGUN = "begun"


@dataclass(frozen=True)
class Deployment:
    release: int  # 0 for what was applied without `kennel deploy`
    image: str
    model_data: str
    kind: str  # deploy, rollback
    outcome: str  # serving, failed; begun, of a rollback
    reason: str = ""
    at: str = ""
    by: str = ""

    @property
    def what(self) -> tuple[str, str]:
        """What it runs; two deployments of the same are the same release."""
        return self.image, self.model_data


class History:
    def __init__(self, platform: Outputs) -> None:
        self.client = aws.client("s3", platform.region)
        self.root = f"s3://{platform['bucket_names']['models']}/deployments"

    def all(self) -> list[Deployment]:
        """The oldest first: their names begin with the time."""
        bucket, _ = s3.split(self.root)
        found = [key for key, _ in s3.keys(self.client, f"{self.root}/") if key.endswith(".json")]
        read = [s3.read(self.client, f"s3://{bucket}/{key}") for key in sorted(found)]
        return [Deployment(**json.loads(content)) for content in read]

    def add(self, deployment: Deployment) -> None:
        now = time.time()
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03d}Z"
        record: dict[str, Any] = asdict(deployment) | {"at": at, "by": aws.identity()["Arn"]}
        s3.write_json(self.client, f"{self.root}/{at}-{secrets.token_hex(2)}.json", record)

    def line(self) -> list[Deployment]:
        """What serves, last, and what it would be rolled back to, before it."""
        return line_of(self.all())


def unfinished(records: list[Deployment], served: Deployment) -> Deployment | None:
    """The rollback that was begun last and has no end, if nobody has deployed anything since."""
    if not records or records[-1].outcome != BEGUN:
        return None
    line = line_of(records)
    ways = {records[-1].what} | {each.what for each in line[-1:]}
    return records[-1] if served.what in ways else None


def ending_in(served: Deployment, line: list[Deployment]) -> list[Deployment]:
    """The line as it is while this serves: cut off after it, or with it added where it is new."""
    for end in range(len(line), 0, -1):
        if line[end - 1].what == served.what:
            return line[:end]
    return [*line, served]


def line_of(deployments: list[Deployment]) -> list[Deployment]:
    """A rollback takes away what it left; so a second one goes further back."""
    line: list[Deployment] = []
    for each in deployments:
        if each.outcome != "serving":
            continue
        if each.kind == "rollback":
            while line and line[-1].what != each.what:
                line.pop()
        if not line or line[-1].what != each.what:
            line.append(each)
    return line
