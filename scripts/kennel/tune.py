"""`kennel tune`: a search for good hyperparameters; the best job's model becomes a release."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from kennel import outputs
from kennel.errors import Failed, UserError
from kennel.network import hinted, outlasting
from kennel.outputs import Outputs
from kennel.runs import prices, training
from kennel.runs.run import RESULTS
from kennel.runs.wish import Wish, check_for_here
from kennel.search import here, kept, ranges, trials, tuning
from kennel.search.ranges import Plan, Range
from kennel.search.trials import Trial
from kennel.terminal import ended_by_signals
from kennel.train import commit, order_of, registered

POLL = 5.0
console = Console(stderr=True, highlight=False, soft_wrap=True)


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path, exists=True))
@click.argument("data", default="")
@click.option(
    "--where", type=click.Choice(["sagemaker", "local"]), default="sagemaker",
    show_default=True, help="A SageMaker tuning job, or this machine.",
)  # fmt: skip
@click.option("--spot/--on-demand", default=None, help="[default: the platform's].")
@click.option("--instance-type", metavar="TYPE", help="Such as ml.g5.xlarge.")
@click.option("--hours", type=click.FloatRange(0.05, 120), help="At most, for each job.")
@click.option("--image", default="", help="Training image by digest [default: the last pushed].")
@click.option("--pretrained", default="", metavar="S3URI", help="For weights: channel.")
@click.option("--attach", default="", metavar="NAME", help="Watch this tuning job; start none.")
@click.option("--stop", default="", metavar="NAME", help="End this tuning job; start none.")
@click.option("--detach", is_flag=True, help="Start it only.")
@click.option("--json", "as_json", is_flag=True, help="The trials as JSON on stdout.")
@click.option("--dry-run", is_flag=True, help="Print what would be asked for, and ask nothing.")
@outputs.environment
def tune(
    *, file: Path | None, where: str, env: str, attach: str, stop: str, as_json: bool, **given: Any
) -> None:
    """Search the ranges in FILE (YAML) for hyperparameters that do well on DATA.

        kennel tune ranges.yaml dogs
        kennel tune ranges.yaml pictures --where local

    It ends with a table, the best first, and with .kennel/jobs/NAME/tuning.html, which shows what
    went with what. The best job's model becomes a release, pending approval. Ctrl-C leaves a
    tuning job of SageMaker running. docs/operations.md has an example of FILE.
    """
    wish = Wish(settings={}, **given)
    if not (file or attach or stop):
        raise click.UsageError("name the FILE with the ranges, or a job to --attach to or --stop")
    if (attach or stop) and wish.dry_run:
        raise click.UsageError("--attach and --stop start nothing: leave out --dry-run")
    with ended_by_signals():
        if attach or stop:
            outcome = to_one_that_is(attach or stop, env, stop=bool(stop))
        elif where == "local":
            outcome = on_this_machine(wish, ranges.read(file or Path()))
        else:
            outcome = on_sagemaker(wish, ranges.read(file or Path()), env)
    if as_json:
        click.echo(json.dumps(outcome))
    elif wish.dry_run:
        click.echo(json.dumps(outcome, indent=2))
    elif outcome.get("release"):
        click.echo(f"release {outcome['release']}: `kennel models approve {outcome['release']}`")
    else:
        click.echo(outcome["name"])


def to_one_that_is(name: str, env: str, *, stop: bool) -> dict[str, Any]:
    platform = outputs.read("platform", env)
    job = tuning.TuningJob(name, platform)
    if not stop:
        return finish(job, platform, env)
    job.stop()
    return {"name": name}


def on_sagemaker(wish: Wish, plan: Plan, env: str) -> dict[str, Any]:
    platform = outputs.read("platform", env)
    defaults = platform["training_job"]
    name = tuning.new_name(defaults)
    request = tuning.request(name, plan, order_of(wish, platform, env), defaults)
    if wish.dry_run:
        return request
    job = tuning.start(request, platform)
    console.print(f"tuning job [bold]{name}[/]: {plan.strategy}, {plan.parallel} jobs at a time")
    return {"name": name} if wish.detach else finish(job, platform, env)


def finish(job: tuning.TuningJob, platform: Outputs, env: str) -> dict[str, Any]:
    with hinted(
        console.print,
        f"what runs goes on; come back with `kennel tune --attach {job.name}`, end it with "
        f"`--stop {job.name}`",
    ):
        return conclude(job, watch(job), platform, env)


def conclude(
    job: tuning.TuningJob, description: Mapping[str, Any], platform: Outputs, env: str
) -> dict[str, Any]:
    """The table, and the release of the best; an error if there is none."""
    found, searched = job.trials(), job.ranges()
    outcome = report(job.name, found, searched)
    console.print(spent(found, description))
    winner = trials.best(found)
    if winner is None:
        reason = description.get("FailureReason") or trials.complaint(found)
        raise Failed(f"{job.name} has no result: {reason}; `kennel jobs logs JOB` shows more")
    run = training.TrainingJob(winner.name, platform)
    result = run.collect(RESULTS / winner.name)
    if result.manifest:
        release = registered(winner.name, result, platform, env)
        outcome["release"] = release.number if release else None
    return outcome


def watch(job: tuning.TuningJob) -> dict[str, Any]:
    """Until it has ended; a line whenever something changes."""
    told = ""

    def note(text: str) -> None:
        console.print(f"[dim]{time.strftime('%H:%M:%S')}[/]  {text}")

    while True:
        description = outlasting(job.describe, note, time.sleep, POLL)
        line = state_of(description)
        if line != told:
            note(f"{line}; {tuning.pace(description, time.time())}")
            told = line
        if description["HyperParameterTuningJobStatus"] in ("Completed", "Failed", "Stopped"):
            return description
        time.sleep(POLL)


def state_of(description: Mapping[str, Any]) -> str:
    """What has become of the jobs, and the best of them."""
    counts = description.get("TrainingJobStatusCounters", {})
    best = description.get("BestTrainingJob", {})
    score = best.get("FinalHyperParameterTuningJobObjectiveMetric", {}).get("Value")
    line = f"{counts.get('Completed', 0)} done, {counts.get('InProgress', 0)} running"
    line += f", {counts['Stopped']} stopped early" if counts.get("Stopped") else ""
    line += f", {counts['NonRetryableError']} failed" if counts.get("NonRetryableError") else ""
    if score is None:
        return line
    values = ", ".join(f"{n} {v}" for n, v in best.get("TunedHyperParameters", {}).items())
    return f"{line}; best {score:.4f} with {values}"


def report(name: str, found: Sequence[Trial], searched: Sequence[Range]) -> dict[str, Any]:
    console.print(trials.board(found, searched))
    path = RESULTS / name / "tuning.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(trials.page(name, found, searched))
    console.print(f"  picture: {path}")
    winner = trials.best(found)
    return {
        "name": name,
        "best": asdict(winner) if winner else None,
        "trials": [asdict(each) for each in trials.ranked(found)],
        "picture": str(path),
    }


def spent(found: Sequence[Trial], description: Mapping[str, Any]) -> str:
    """An estimate from above: Spot jobs are billed for less."""
    resources = description["TrainingJobDefinition"]["ResourceConfig"]
    kind, count = resources["InstanceType"], int(resources["InstanceCount"])
    seconds = sum(each.seconds for each in found)
    amount = prices.stated(prices.estimate(kind, count, seconds), " at most")
    return f"{len(found)} jobs, {seconds:.0f} s of {kind}: {amount}"


def on_this_machine(wish: Wish, plan: Plan) -> dict[str, Any]:
    check_for_here(wish)
    here.check(plan)
    data = Path(wish.data)
    if not wish.data or not data.is_dir():
        raise UserError(f"{wish.data or 'DATA'} is no folder of pictures: `kennel data sample`")
    found = kept.of(data, plan)
    going_on = f"goes on with {found.name}: {len(found.ended)} trials have ended"
    if wish.dry_run:
        continues = {"continues": going_on} if found.path.exists() else {}
        return {"data": str(data), **asdict(plan), **continues}
    if found.path.exists():
        console.print(going_on)

    total, before, began = here.trials_of(plan), len(found.ended), time.monotonic()

    def told(trial: Trial) -> None:
        score = "no result" if trial.objective is None else f"{trial.objective:.4f}"
        pace = trials.pace(len(found.ended), total, time.monotonic() - began, before)
        console.print(f"  {trial.name}  {trial.state}  {score}  {trial.values}  {pace}")

    try:
        ended = here.search(data, plan, commit(), told, found)
    except KeyboardInterrupt:
        console.print(f"{len(found.ended)} trials are kept: the same command goes on from there")
        raise
    outcome = report(found.name, ended, plan.ranges)
    found.finish()
    if trials.best(ended) is None:
        reason = trials.complaint(ended)
        raise Failed(f"{found.name} has no result: {reason}; see .kennel/jobs/*/trainer.log")
    console.print(f"  a release of the best: `kennel models add {outcome['best']['name']}`")
    return outcome
