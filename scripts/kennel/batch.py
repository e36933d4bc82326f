"""`kennel batch`: every picture under a prefix of S3, by the release that serves."""

import csv
import json
import re
import secrets
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import click
from botocore.exceptions import ClientError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from kennel import aws, outputs, s3
from kennel.errors import Failed, UserError
from kennel.network import create, hinted, outlasting
from kennel.outputs import Outputs
from kennel.progress import counted
from kennel.runs import prices
from kennel.runs.logs import Tail
from kennel.runs.training import key_of_disks
from kennel.terminal import ended_by_signals
from kennel.terminal import show as show_table

POLL = 2.0
SHOWN = 20  # rows of the table; the rest is in S3
READERS = 16
COMPLAINTS = 10
LOG_GROUP = "/aws/sagemaker/TransformJobs"  # SageMaker's own name for it
INSTANCE = "ml.c6i.xlarge"
console = Console(stderr=True, highlight=False, soft_wrap=True)


@click.command()
@click.argument("source", default="")
@click.option("--out", default="", metavar="S3URI", help="[default: the models bucket, batch/JOB].")
@click.option("--instances", type=click.IntRange(1, 20), default=1, show_default=True)
@click.option("--instance-type", metavar="TYPE", default=INSTANCE, show_default=True)
@click.option("--attach", metavar="JOB", default="", help="Watch this one; start none.")
@click.option("--csv", "as_csv", is_flag=True, help="All results as CSV on stdout.")
@click.option("--json", "as_json", is_flag=True, help="All results as JSON on stdout.")
@click.option("--dry-run", is_flag=True, help="Print what would be asked for, and ask nothing.")
@outputs.environment
def batch(
    source: str, *, env: str, attach: str, as_csv: bool, as_json: bool, dry_run: bool, **given: Any
) -> None:
    """Classify all pictures under SOURCE, s3://bucket/prefix or a set in the data bucket.

    A batch transform job of SageMaker, with the model that serves now. Ctrl-C leaves it running;
    `kennel batch --attach JOB` comes back to it, and needs no SOURCE. Exits 3 if the job failed or
    a picture got no answer.
    """
    if not (source or attach):
        raise click.UsageError("name the SOURCE of the pictures, or a job to --attach to")
    if attach and dry_run:
        raise click.UsageError("--attach starts nothing: leave out --dry-run")
    platform = outputs.read("platform", env)
    uri = address(source, platform)
    request = {} if attach else request_of(uri, platform, outputs.read("service", env), **given)
    if dry_run:
        click.echo(json.dumps(request, indent=2))
        return
    sagemaker = aws.client("sagemaker", platform.region)
    client = aws.client("s3", platform.region)
    with ended_by_signals():
        name = attach or start(request, uri, sagemaker, client)
        description, rows = follow(name, sagemaker, client)
    show(rows, as_csv=as_csv, as_json=as_json)
    console.print(cost(description))
    if description["TransformJobStatus"] == "Failed":
        complain(name, aws.client("logs", platform.region))
    conclude(name, description, rows)


def address(source: str, platform: Outputs) -> str:
    if source.startswith("s3://"):
        return source
    return f"s3://{platform['bucket_names']['data']}/{source.strip('/')}/"


def request_of(
    uri: str,
    platform: Outputs,
    service: Outputs,
    *,
    out: str,
    instances: int,
    instance_type: str,
) -> dict[str, Any]:
    """The whole of CreateTransformJob."""
    stamp = time.strftime("%m%d-%H%M%S", time.gmtime())
    name = f"{platform['prefix']}-batch-{stamp}-{secrets.token_hex(1)}"
    target = out or f"s3://{platform['bucket_names']['models']}/batch/{name}"
    return {
        "TransformJobName": name,
        "ModelName": service["release_name"],
        "BatchStrategy": "SingleRecord",
        "MaxPayloadInMB": 6,
        "ModelClientConfig": {"InvocationsTimeoutInSeconds": 60, "InvocationsMaxRetries": 1},
        "TransformInput": {
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri}},
            "ContentType": "application/x-image",
        },
        "TransformOutput": {
            "S3OutputPath": target,
            "Accept": "application/json",
            "KmsKeyId": platform["kms_key_arn"],
        },
        "TransformResources": {"InstanceType": instance_type, "InstanceCount": instances}
        | key_of_disks(instance_type, platform["kms_key_arn"]),
        "Tags": [{"Key": "Project", "Value": platform["prefix"]}],
    }


def start(request: Mapping[str, Any], uri: str, sagemaker: Any, client: Any) -> str:
    if s3.is_empty(client, uri):
        raise UserError(f"there is nothing at {uri}: `kennel data push FOLDER` brings it there")
    create(sagemaker.create_transform_job, request)
    name = str(request["TransformJobName"])
    console.print(f"transform job [bold]{name}[/]; the answers come to {output_of(request)}")
    return name


def output_of(description: Mapping[str, Any]) -> str:
    return str(description["TransformOutput"]["S3OutputPath"]).rstrip("/")


def input_of(description: Mapping[str, Any]) -> str:
    return str(description["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"])


def follow(name: str, sagemaker: Any, client: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Until it has ended, and its answers; whoever does not get them is told how to come back."""
    with hinted(console.print, f"what runs goes on; come back with `kennel batch --attach {name}`"):
        description = watch(name, sagemaker, client)
        return description, collect(description, client)


def watch(name: str, sagemaker: Any, client: Any) -> dict[str, Any]:
    """The answers in S3 are the progress, the time since the machines run is theirs."""

    def pictures() -> tuple[dict[str, Any], int]:
        found = describe(name, sagemaker)
        return found, len(s3.keys(client, input_of(found)))

    def answers() -> tuple[dict[str, Any], int]:
        found = describe(name, sagemaker)
        return found, len(s3.keys(client, f"{output_of(found)}/"))

    description, total = outlasting(pictures, console.print, time.sleep, POLL)
    with counted("classifying", total, "pictures") as counter:
        while description["TransformJobStatus"] not in ("Completed", "Failed", "Stopped"):
            time.sleep(POLL)
            description, done = outlasting(answers, console.print, time.sleep, POLL)
            if done > counter.done:
                if began := description.get("TransformStartTime"):
                    counter.began = time.monotonic() - (time.time() - began.timestamp())
                counter.advance(done - counter.done)
    return description


def describe(name: str, sagemaker: Any) -> dict[str, Any]:
    try:
        return dict(sagemaker.describe_transform_job(TransformJobName=name))
    except ClientError as error:
        if re.search("not found|could not find", str(error), re.IGNORECASE):
            raise UserError(
                f"there is no transform job {name}: choose its stack with --env; `aws sagemaker "
                "list-transform-jobs` lists the jobs of a region"
            ) from error
        raise


def collect(description: Mapping[str, Any], client: Any) -> list[dict[str, Any]]:
    """A row for each picture: its best label, or that it has no answer."""
    bucket, prefix = s3.split(input_of(description))
    names = [key for key, _ in s3.keys(client, input_of(description))]
    # SageMaker keeps what follows the last slash of the prefix.
    cut = prefix.rfind("/") + 1
    answers = {key for key, _ in s3.keys(client, f"{output_of(description)}/")}
    answered = partial(answer_to, client=client, answers=answers, root=output_of(description))
    with ThreadPoolExecutor(READERS) as pool:
        found = list(pool.map(answered, [name[cut:] for name in names]))
    return [
        {"picture": f"s3://{bucket}/{name}"} | row for name, row in zip(names, found, strict=True)
    ]


def answer_to(name: str, *, client: Any, answers: set[str], root: str) -> dict[str, Any]:
    bucket, prefix = s3.split(root)
    key = f"{prefix}/{name}.out"
    if key not in answers:
        return {"label": None, "probability": None}
    content = json.loads(s3.read(client, f"s3://{bucket}/{key}"))
    best = content["predictions"][0]
    return {"label": best["label"], "probability": best["probability"]}


def show(rows: Sequence[dict[str, Any]], *, as_csv: bool, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"results": rows}))
        return
    if as_csv:
        writer = csv.DictWriter(sys.stdout, ["picture", "label", "probability"])
        writer.writeheader()
        writer.writerows(rows)
        return
    table = Table("picture", "label", "probability", box=None)
    for row in rows[:SHOWN]:
        share = "" if row["label"] is None else f"{row['probability']:.1%}"
        table.add_row(row["picture"], row["label"] or "[red]no answer[/]", share)
    show_table(table)
    if len(rows) > SHOWN:
        click.echo(f"... and {len(rows) - SHOWN} more: --csv or --json prints all")
    counts = Counter(row["label"] for row in rows if row["label"])
    click.echo(", ".join(f"{label} {count}" for label, count in counts.most_common()))


def cost(description: Mapping[str, Any]) -> str:
    began, ended = description.get("TransformStartTime"), description.get("TransformEndTime")
    seconds = (ended - began).total_seconds() if began and ended else 0.0
    resources = description["TransformResources"]
    kind, count = resources["InstanceType"], int(resources["InstanceCount"])
    amount = prices.stated(prices.estimate(kind, count, seconds))
    return f"{seconds:.0f} s of {count} x {kind}: {amount}"


def complain(name: str, logs: Any) -> None:
    """What the server said of pictures that it refused; the job's own reason is to look here."""
    said = [line for line in Tail(logs, LOG_GROUP, f"{name}/").lines() if "data-log" in line.host]
    for line in said[:COMPLAINTS]:
        console.print(f"  {escape(line.text)}")
    if len(said) > COMPLAINTS:
        console.print(f"  ... and {len(said) - COMPLAINTS} more lines in {LOG_GROUP}")


def conclude(name: str, description: Mapping[str, Any], rows: Sequence[dict[str, Any]]) -> None:
    missing = [row["picture"] for row in rows if row["label"] is None]
    state = description["TransformJobStatus"]
    if state == "Completed" and not missing:
        return
    reason = description.get("FailureReason", "")
    left = f"; no answer to {len(missing)} of {len(rows)}, {missing[0]} first" if missing else ""
    raise Failed(f"{name}: {state}{f': {reason}' if reason else ''}{left}")
