"""One process of a training run; `trainer.launch` starts as many as there are to be.

    KENNEL_ML_ROOT=/tmp/ml python -m trainer train     as many processes as hyperparameters say
    docker run -v /tmp/ml:/opt/ml kennel-train train   the same in the image, as SageMaker starts it
    torchrun --nproc-per-node=2 -m trainer train       under a launcher of your own

A world of one process is the same code: its share of the pictures is all of them.
"""

import math
import shutil
import time
from collections.abc import Callable
from contextlib import closing, nullcontext
from dataclasses import asdict

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from trainer import (
    artifact,
    evaluation,
    examples,
    failure,
    journal,
    model,
    pace,
    page,
    paths,
    precision,
    recipe,
    views,
)
from trainer.config import Config
from trainer.errors import TrainingError
from trainer.job import Job, prepare
from trainer.journal import report
from trainer.state import State
from trainer.world import RESULT, Ballot, Interruption, World

ROOM = 1 << 20  # bytes; with less, a disk is full


def run(config: Config) -> None:
    interruption = Interruption()
    world = World.join()
    with closing(prepare(config, world)) as job:
        parallel = model.parallel(job.network, config)
        rehearse(parallel, job)
        state = State(job.network, config, job.library.dataset, world, precision=job.precision)
        state.resume()
        journal.go_on(world, state.step, state.history)

        with interruption.noted():
            stopped = train(job, state, parallel, interruption)
        if stopped:
            failure.mark_stopped()
        else:
            world.wait(RESULT)
            fingerprint = job.library.fingerprint()
            world.together(lambda: conclude(job, state, fingerprint))
    world.leave()
    if stopped:
        interruption.pass_on()


def train(
    job: Job, state: State, parallel: DistributedDataParallel, interruption: Interruption
) -> bool:
    """All epochs that are left to do. True: SIGTERM came, to some process; the state is saved."""
    config, ballot = job.config, Ballot()

    def stopped() -> bool:
        state.save()
        ballot.close()
        report(job.world, event="stopped", step=state.step)
        return True

    while not state.finished():
        epoch, clock = len(state.history), pace.Clock()
        order = views.order(job.train, job.world, config.seed, epoch)
        first = state.step - epoch * job.steps
        # A checkpoint of an epoch's last step leaves none: what remains is its validation.
        done = job.bounds.mine[first][0] if first < job.steps else len(order)
        job.seen.turn(epoch, order[done:])
        job.network.train()
        for step in range(first, job.steps):
            risen = recipe.rate_at(state.step, config.epochs * job.steps, config.warmup)
            recipe.set_rate(state.optimiser, config.rate * risen)
            # The random numbers inside the network, such as dropout's, follow from the step.
            torch.manual_seed((config.seed * 1_000_003 + state.step) * 1000 + job.world.rank)
            rows = order[slice(*job.bounds.mine[step])]
            state.loss_sum += gradients(job, parallel, rows, job.bounds.over_all[step], clock)
            state.optimiser.step()
            state.optimiser.zero_grad()
            state.average.follow(state.step)
            state.step += 1
            state.speed = clock.values(job.world.size)

            wish = ballot.cast(wish_of(state, interruption))
            if wish == Ballot.STOP:
                return stopped()
            if wish or (config.save_steps and state.step % config.save_steps == 0):
                state.save()
        if first < job.steps:
            float(state.loss_sum)  # a GPU is done with all steps when this is known
            state.speed = clock.values(job.world.size)
        found = validate(job, state, lambda: ballot.cast(wish_of(state, interruption)))
        if found is None:
            return stopped()
        state.remember(found | state.speed)
        report(job.world, event="epoch", **state.history[-1])
    if ballot.close() == Ballot.STOP:
        return stopped()
    state.save()
    return False


def gradients(
    job: Job, parallel: DistributedDataParallel, rows: Tensor, count: int, clock: pace.Clock
) -> Tensor:
    """Add up the gradients of one step, in parts if memory asks for it. Returns the sum of losses
    of this process's rows; `count` are those of all processes."""
    config, device = job.config, job.world.device
    losses = torch.zeros((), dtype=torch.float64, device=device)
    for part, is_last in pace.parts_of(rows, config.accumulate):
        with clock.making(len(part)):
            seen = job.seen.of_train(part)
        with nullcontext() if is_last else parallel.no_sync():
            with precision.arithmetic(device, job.precision):
                scores = parallel(seen.inputs)
            loss = recipe.loss(scores.float(), seen, job.costs, config.smoothing)
            # DDP takes the mean over processes; this makes it the mean over the step's pictures.
            torch.autograd.backward(loss * job.world.size / count)
        losses += loss.detach()
    return losses


def rehearse(parallel: DistributedDataParallel, job: Job) -> None:
    """One backward pass without a step, as large as those to come. After the first one DDP groups
    the gradients anew; now a resumed run adds them up in the same order as one that was never
    interrupted."""
    before = {name: value.clone() for name, value in job.network.state_dict().items()}
    job.network.train()
    part, _ = next(pace.parts_of(torch.arange(*job.bounds.mine[0]), job.config.accumulate))
    seen = job.seen.of_train(part)
    with precision.arithmetic(job.world.device, job.precision):
        scores = parallel(seen.inputs)
    torch.autograd.backward(scores.float().sum())
    job.network.zero_grad()
    job.network.load_state_dict(before)


def wish_of(state: State, interruption: Interruption) -> int:
    """What this process wants after a step; rank 0's clock says when it is time to save."""
    if interruption.wanted:
        return Ballot.STOP
    minutes = state.config.save_minutes
    due = minutes and time.monotonic() - state.saved_at > 60 * minutes
    return Ballot.SAVE if due and state.world.rank == 0 else Ballot.GO


def validate(job: Job, state: State, vote: Callable[[], int]) -> dict[str, float] | None:
    """How good the epoch has left the network, in the arithmetic that it is trained in. None: it
    was to stop before that was known, which is left to the run that goes on."""
    judged = state.average.module
    job.world.spread(dict(judged.named_buffers()), source=0)  # DDP trains with those of rank 0
    # As many votes on all processes as the largest share of them has chunks.
    chunks = max(job.world.gather(math.ceil(len(job.valid.labels) / views.CHUNK)))
    correct = 0
    for chunk in range(chunks):
        with precision.arithmetic(job.world.device, job.precision):
            correct += count_correct(judged, job.seen, job.valid.labels, chunk * views.CHUNK)
        if vote() == Ballot.STOP:
            return None
    loss, correct_all = job.world.sum(float(state.loss_sum), correct)
    if not math.isfinite(loss):
        raise TrainingError(
            f"the loss of epoch {len(state.history) + 1} is {loss}: the weights have run away, and "
            f"nothing is written; lower the hyperparameter rate, which is {job.config.rate}, and "
            f"empty {paths.CHECKPOINTS}"
        )
    return {
        "epoch": len(state.history) + 1,
        "epochs": job.config.epochs,
        "train_loss": round(loss / job.train.total, 4),
        "valid_accuracy": round(correct_all / job.valid.total, 4),
        "rate": round(job.config.rate * rate_share(job, state), 7),
    }


def rate_share(job: Job, state: State) -> float:
    """Of the peak rate, at the last step made."""
    return recipe.rate_at(state.step - 1, job.config.epochs * job.steps, job.config.warmup)


@torch.inference_mode()
def count_correct(network: nn.Module, seen: views.Views, labels: Tensor, start: int) -> int:
    """Of the chunk that begins there."""
    if start >= len(labels):
        return 0
    rows = slice(start, start + views.CHUNK)
    network.eval()
    answers = network(seen.of_valid(rows)).argmax(1).cpu()
    return int((answers == labels[rows]).sum())


def conclude(job: Job, state: State, fingerprint: str) -> None:
    """Artifact and report, by rank 0; the others wait, because an error of it is everybody's."""
    if job.world.rank:
        return
    job.network.load_state_dict(state.outcome())
    try:
        write_result(job, state, fingerprint)
    except Exception as error:
        # Several libraries write it, and each says of a full disk something else.
        for folder in (paths.MODEL, paths.REPORT.parent):
            if folder.is_dir() and shutil.disk_usage(folder).free < ROOM:
                raise TrainingError(
                    f"{folder} has no room for the result: give it a larger volume and start the "
                    "job again; it goes on from its last checkpoint"
                ) from error
        raise


def write_result(job: Job, state: State, fingerprint: str) -> None:
    dataset = job.library.dataset
    product = artifact.write(
        paths.MODEL,
        job.whole.eval().cpu(),
        job.config,
        dataset.classes,
        fingerprint,
        job.train,
        job.test,
    )
    manifest = product.manifest
    page.write(
        paths.REPORT,
        page.Facts(
            manifest=manifest,
            judgement=product.judgements["fp32"],
            square=job.square,
            history=state.history,
            counts={split: dataset.counts(split) for split in dataset.splits},
            settings=asdict(job.config),
            processes=job.world.size,
        ),
    )
    evaluation.write(paths.EVALUATION, manifest, product.judgements)
    examples.write(
        paths.RELEASE,
        manifest,
        product.judgements,
        dataset.splits["test"],
        job.library.found.pictures,
    )
    report(job.world, event="artifact", version=manifest["version"], metrics=manifest["metrics"])
