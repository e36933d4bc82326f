"""What was deployed, when and by whom: one small object in S3 for each deployment that ended.

Nothing is written before the outcome is known, so that no deployment is recorded by half.
"""

import json
import secrets
import time
from dataclasses import asdict, dataclass
from typing import Any

from kennel import aws, s3
from kennel.outputs import Outputs


@dataclass(frozen=True)
class Deployment:
    release: int  # 0 for what was applied without `kennel deploy`
    image: str
    model_data: str
    kind: str  # deploy, rollback
    outcome: str  # serving, failed
    reason: str = ""
    at: str = ""
    by: str = ""


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


def line_of(deployments: list[Deployment]) -> list[Deployment]:
    """A rollback takes away what it left; so a second one goes further back."""
    line: list[Deployment] = []
    for each in deployments:
        if each.outcome != "serving":
            continue
        key = (each.image, each.model_data)
        if each.kind == "rollback":
            while line and (line[-1].image, line[-1].model_data) != key:
                line.pop()
        if not line or (line[-1].image, line[-1].model_data) != key:
            line.append(each)
    return line
