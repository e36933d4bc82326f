"""`kennel train`: a model of labelled pictures, on SageMaker, on a fleet of EC2, or here."""

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from math import ceil
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from kennel import aws, git, outputs, s3, which_image
from kennel.errors import Failed, UserError
from kennel.network import hinted
from kennel.outputs import Outputs
from kennel.places import ROOT
from kennel.registry import Registry, Release
from kennel.runs import fleet, fleet_order, here, prices, settings, spot, training
from kennel.runs.follow import Watch
from kennel.runs.run import RESULTS, Result, Run, Status, summary
from kennel.runs.wish import Wish, check_for_here
from kennel.terminal import duration, ended_by_signals

RESTARTS = 3  # of a fleet that lost Spot capacity
console = Console(stderr=True, highlight=False, soft_wrap=True)


@click.command()
@click.argument("data", default="")
@click.option(
    "--where", type=click.Choice(["sagemaker", "ec2", "local"]), default="sagemaker",
    show_default=True, help="A SageMaker job, the platform's fleet, or this machine.",
)  # fmt: skip
@click.option("--set", "pairs", multiple=True, metavar="NAME=VALUE", help="A hyperparameter.")
@click.option("--nodes", type=click.IntRange(1, 64), help="Machines [default: the platform's].")
@click.option("--spot/--on-demand", default=None, help="[default: the platform's].")
@click.option("--instance-type", metavar="TYPE", help="ml.g5.xlarge; on EC2 g5.xlarge.")
@click.option("--hours", type=click.FloatRange(0.05, 120), help="The run ends after this time.")
@click.option("--image", default="", help="By digest [default: the last pushed; a fleet's own].")
@click.option("--pretrained", default="", metavar="S3URI", help="For --set weights=channel.")
@click.option("--resume", default="", metavar="JOB", help="Go on from this job's checkpoint.")
@click.option("--detach", is_flag=True, help="Start it only; `kennel jobs attach` watches it.")
@click.option("--quiet", is_flag=True, help="Of the log, show epochs only.")
@click.option("--json", "as_json", is_flag=True, help="The outcome as JSON on stdout.")
@click.option("--dry-run", is_flag=True, help="Print what would be asked for, and ask nothing.")
@outputs.environment
def train(*, where: str, env: str, pairs: tuple[str, ...], as_json: bool, **given: Any) -> None:
    """Train on DATA: a set in the data bucket (as `kennel data push` named it), an s3:// address,
    or, with --where local, a folder.

        kennel train dogs --set epochs=20 --set weights=channel --pretrained s3://...
        kennel train --where ec2 dogs --nodes 4 --hours 2 --on-demand
        kennel train pictures --where local --set architecture=resnet18 --set size=64

    The log is followed until the job ends; Ctrl-C leaves a SageMaker job running (`kennel jobs
    attach` comes back to it) and ends a fleet. A fleet that loses its Spot capacity is started
    again from its last checkpoint, three times at most, as soon as there are machines (it waits for
    half an hour), while this verb watches: not after --detach. At the end the report lies in
    .kennel/jobs and the model is a release, pending approval. Exits 3 if the job failed.
    """
    wish = Wish(settings=settings.parse(pairs), **given)
    resumed = settings_of(wish.resume, where, env) if wish.resume else {}
    wish = Wish(**vars(wish) | {"settings": resumed | dict(wish.settings)})
    settings.complete(wish.settings)
    start = {"sagemaker": on_sagemaker, "ec2": on_ec2, "local": on_this_machine}[where]
    with ended_by_signals():
        outcome = start(wish, env)
    if as_json:
        click.echo(json.dumps(outcome))
    elif wish.dry_run:
        click.echo(json.dumps(outcome, indent=2))
    elif outcome.get("release"):
        click.echo(f"release {outcome['release']}: `kennel models approve {outcome['release']}`")
    else:
        click.echo(outcome.get("model_data") or outcome["name"])


def commit() -> str:
    """Of what is checked out here; an artifact names it."""
    try:
        return git.call(ROOT, "rev-parse", "HEAD").decode().strip()
    except UserError:
        return "unknown"


def settings_of(name: str, where: str, env: str) -> dict[str, str]:
    """A resumed run must have the settings it began with."""
    if where == "local":
        return dict(here.LocalRun(name).record["hyperparameters"])
    platform = outputs.read("platform", env)
    if where == "ec2":
        return dict(fleet.FleetRun(name, platform).record["hyperparameters"])
    return dict(training.TrainingJob(name, platform).describe()["HyperParameters"])


def on_sagemaker(wish: Wish, env: str) -> dict[str, Any]:
    platform = outputs.read("platform", env)
    defaults = platform["training_job"]
    order = order_of(wish, platform, env)
    name = training.new_name(defaults, wish.settings.get("name", "classifier"))
    request = training.request(name, order, defaults)
    if wish.dry_run:
        return request
    run = training.start(request, platform)
    console.print(f"training job [bold]{name}[/] on {described(request)}")
    if wish.detach:
        return {"name": name, "where": run.where}
    return finish(run, platform, env, quiet=wish.quiet)


def described(request: Mapping[str, Any]) -> str:
    resources = request["ResourceConfig"]
    count, kind = resources["InstanceCount"], resources["InstanceType"]
    hours = request["StoppingCondition"]["MaxRuntimeInSeconds"] / 3600
    most = prices.stated(prices.estimate(kind, count, hours * 3600))
    spot = "Spot" if request["EnableManagedSpotTraining"] else "on demand"
    return f"{count} x {kind}, {spot}; at most {hours:g} h, which on demand is {most}"


def order_of(wish: Wish, platform: Outputs, env: str) -> training.Order:
    data = data_of(wish, platform)
    client = aws.client("s3", platform.region)
    if s3.is_empty(client, data):
        raise UserError(f"there is nothing at {data}: `kennel data push FOLDER` brings it there")
    nodes = wish.nodes or int(platform["training_job"]["instance_count"])
    image = wish.image or which_image.find("train", platform, env)
    which_image.check(image, env)
    return training.Order(
        image=image,
        data=data,
        settings=wish.settings,
        commit=commit(),
        nodes=wish.nodes,
        instance_type=wish.instance_type,
        hours=wish.hours,
        spot=wish.spot,
        pretrained=wish.pretrained,
        sharded=nodes > 1 and s3.exists(client, f"{data.rstrip('/')}/index.json"),
        resume=wish.resume,
    )


def data_of(wish: Wish, platform: Outputs) -> str:
    if wish.data.startswith("s3://"):
        return wish.data
    if wish.data:
        return f"s3://{platform['bucket_names']['data']}/{wish.data.strip('/')}/"
    if wish.resume:
        channels = training.TrainingJob(wish.resume, platform).describe()["InputDataConfig"]
        return str(channels[0]["DataSource"]["S3DataSource"]["S3Uri"])
    raise UserError("name the data: a set that `kennel data push` brought to S3, or s3://...")


def on_ec2(wish: Wish, env: str) -> dict[str, Any]:
    platform = outputs.read("platform", env)
    order = fleet_order_of(wish, platform, env)
    if wish.dry_run:
        return fleet.request(fleet.fleet_of(platform), "(new)", order)
    resume, paid = wish.resume, 0.0
    for attempt in range(RESTARTS + 1):
        start = partial(
            fleet.started, platform, wish.settings, console,
            order=order, resume=resume, keep=wish.detach,
        )  # fmt: skip
        with spot.regained(start, resume, console) if attempt else start() as run:
            console.print(f"fleet run [bold]{run.name}[/]: {len(run.record['instances'])} nodes")
            if wish.detach:
                return {"name": run.name, "where": run.where}
            with hinted(console.print, f"{spot.way_on(run.name)}, if it saved one"):
                status = Watch(run, console, quiet=wish.quiet).until_end()
        paid += status.seconds
        if status.reason != fleet.INTERRUPTED or attempt == RESTARTS:
            break
        if not s3.is_empty(run.s3, f"{run.root}/checkpoints/"):
            resume = run.name
        console.print(f"{status.reason}; starting again from the last checkpoint")
    return conclude(run, replace(status, seconds=paid), platform, env)


def fleet_order_of(wish: Wish, platform: Outputs, env: str) -> fleet_order.Order:
    """Held to what the nodes can do; a resumed run reads what it read before."""
    described, bucket = fleet.fleet_of(platform), platform["bucket_names"]["data"]
    data = wish.data
    if data and not data.startswith("s3://"):
        data = f"s3://{bucket}/{data.strip('/')}/"
    if wish.resume and not data:
        data = fleet.FleetRun(wish.resume, platform).record.get("order", {}).get("data", "")
    order = fleet_order.Order(
        data=data,
        pretrained=wish.pretrained,
        image=wish.image,
        instance_type=wish.instance_type or "",
        minutes=ceil(wish.hours * 60) if wish.hours else None,
        nodes=wish.nodes,
        spot=wish.spot,
    )
    fleet_order.check(order, described, bucket)
    if order.instance_type:
        fleet_order.check_type(order.instance_type, described, aws.client("ec2", platform.region))
    fleet_order.check_there(order, aws.client("s3", platform.region))
    which_image.check(order.image or described.get("image", ""), env)
    return order


def on_this_machine(wish: Wish, env: str) -> dict[str, Any]:
    check_for_here(wish)
    given = wish.data or (here.LocalRun(wish.resume).record["data"] if wish.resume else "")
    data = Path(given)
    if not given or not data.is_dir():
        raise UserError(
            f"{given or 'DATA'} is no folder of pictures: `kennel data sample` draws one"
        )
    if wish.dry_run:
        return {"data": str(data), "hyperparameters": dict(wish.settings)}
    about = wish.settings.get("name", "classifier")
    with here.started(data, wish.settings, commit=commit(), about=about, resume=wish.resume) as run:
        console.print(f"run [bold]{run.name}[/] on this machine; Ctrl-C saves its state")
        try:
            status = Watch(run, console, quiet=wish.quiet, poll=0.2).until_end()
        except KeyboardInterrupt:
            console.print(f"go on: kennel train --where local --resume {run.name}")
            raise
    return conclude(run, status, None, env)


def finish(run: Run, platform: Outputs | None, env: str, *, quiet: bool = False) -> dict[str, Any]:
    """Watch a run that goes on without us, then bring home what it has left."""
    with hinted(
        console.print,
        f"what runs goes on; come back with `kennel jobs attach {run.name}`, end it with `kennel "
        f"jobs stop {run.name}`",
    ):
        status = Watch(run, console, quiet=quiet).until_end()
        return conclude(run, status, platform, env)


def conclude(run: Run, status: Status, platform: Outputs | None, env: str) -> dict[str, Any]:
    """What it cost and left; an error if it failed."""
    console.print(cost(status))
    if status.state != "Completed":
        verb = "was stopped" if status.state == "Stopped" else "failed"
        ways = f"`kennel train --where {run.where} --resume {run.name}` goes on from its checkpoint"
        raise Failed(f"{run.name} {verb}{f': {status.reason}' if status.reason else ''}; {ways}")
    folder = RESULTS / run.name
    result = run.collect(folder)
    for precision, metrics in result.manifest.get("metrics", {}).items():
        console.print(f"  {precision}: {metrics['test_accuracy']:.1%} of the test pictures right")
    console.print(f"  report: {folder / 'report.html'}")
    outcome = summary(run, status, result)
    if platform and result.manifest:
        release = registered(run.name, result, platform, env)
        outcome["release"] = release.number if release else None
    return outcome


def registered(job: str, result: Result, platform: Outputs, env: str) -> Release | None:
    """A release needs a serving image too; without one the model waits for it."""
    try:
        image = which_image.find("serve", platform, env)
    except UserError as error:
        console.print(f"  no release yet: {error}; then `kennel models add {job}`")
        return None
    release = Registry(platform).add(result, image, job)
    console.print(f"  release {release.number}, {release.state}")
    return release


def cost(status: Status) -> str:
    where = f"{status.instances} x {status.instance_type}{' (Spot)' if status.spot else ''}"
    if status.instance_type in ("", "this machine"):
        return f"{duration(status.seconds)} on this machine"
    return f"billed {status.seconds:.0f} s of {where}: {prices.stated(status.dollars)}"
