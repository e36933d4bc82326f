"""`kennel images`: build the containers, and push them to the stack's repositories."""

import base64
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from kennel import aws, docker, git, manifests, outputs, pushed
from kennel.errors import UserError
from kennel.manifests import Manifest, Registry
from kennel.places import ROOT
from kennel.progress import step
from kennel.terminal import ended_by_signals

console = Console(stderr=True, highlight=False)


@dataclass(frozen=True)
class Image:
    """One platform each: a list of platforms is an index, which SageMaker does not take."""

    repository: str  # its key in the platform's output repository_urls
    dockerfile: str
    target: str = ""
    lock: str = ""
    platform: str = "linux/amd64"
    suffix: str = ""  # of the tag, where images share a repository
    usual: bool = True  # built when nobody asks for particular ones

    @property
    def there(self) -> bool:
        return not self.lock or (ROOT / self.lock).exists()


IMAGES = {
    "train": Image("train", "images/train/Dockerfile"),
    "serve": Image("serve", "images/serve/Dockerfile", target="cpu"),
    "serve-gpu": Image(
        "serve",
        "images/serve/Dockerfile",
        target="gpu",
        lock="images/serve/requirements-gpu.lock",
        suffix="-gpu",
    ),
    "serve-arm64": Image(
        "serve",
        "images/serve/Dockerfile",
        target="cpu",
        platform="linux/arm64",
        suffix="-arm64",
        usual=False,
    ),
}


@click.group()
def images() -> None:
    """The containers: build them, push them to the repositories of the platform.

    They are named after the commit. NAMES are train, serve, serve-gpu and serve-arm64; without any,
    all but serve-arm64.
    """


def chosen(names: Sequence[str]) -> list[str]:
    unknown = sorted(set(names) - IMAGES.keys())
    if unknown:
        raise click.UsageError(f"no image {', '.join(unknown)}: there are {', '.join(IMAGES)}")
    missing = [name for name in names if not IMAGES[name].there]
    if missing:
        raise UserError(f"{missing[0]} cannot be built here: {IMAGES[missing[0]].lock} is missing")
    return list(names) or [name for name, each in IMAGES.items() if each.usual and each.there]


def tag_of(name: str, state: git.State) -> str:
    return state.tag + IMAGES[name].suffix


def local(name: str, state: git.State) -> str:
    """What the engine of this machine calls an image."""
    return f"kennel/{IMAGES[name].repository}:{tag_of(name, state)}"


def shared(verb: Callable[..., Any]) -> Callable[..., Any]:
    """What both verbs take."""
    verb = click.option("--json", "as_json", is_flag=True, help="The result as JSON.")(verb)
    verb = click.option("--dry-run", is_flag=True, help="Say what would be done.")(verb)
    return click.argument("names", nargs=-1)(verb)


@images.command()
@shared
def build(names: tuple[str, ...], *, as_json: bool, dry_run: bool) -> None:
    """Build NAMES into the Docker engine, from its cache where nothing has changed.

    kennel images build serve
    """
    wanted, state = chosen(names), git.state()
    docker.check(buildx=True)
    able = docker.platforms()
    for name in wanted:
        if IMAGES[name].platform not in able:
            raise UserError(
                f"this builder cannot build {name} for {IMAGES[name].platform}, only for "
                f"{', '.join(sorted(able))}: `docker run --privileged --rm tonistiigi/binfmt "
                "--install arm64` teaches it, or build on such a machine"
            )
    rows = [
        {"name": name, "image": local(name, state), "what": "would be built"}
        | ({} if dry_run else build_one(name, local(name, state), state))
        for name in wanted
    ]
    report({"images": rows, "dry_run": dry_run}, as_json=as_json)


def build_one(name: str, reference: str, state: git.State) -> dict[str, Any]:
    image, began = IMAGES[name], time.monotonic()
    console.print(f"building {reference}")
    docker.build(
        image.dockerfile,
        reference,
        target=image.target,
        platform=image.platform,
        labels={"org.opencontainers.image.revision": state.commit},
    )
    found = docker.inspect(reference)
    size = found[1] if found else 0
    return {"what": "built", "bytes": size, "seconds": round(time.monotonic() - began, 1)}


@images.command()
@shared
@outputs.environment
def push(names: tuple[str, ...], *, env: str, as_json: bool, dry_run: bool) -> None:
    """Push NAMES to the repositories of the platform, and record their digests.

    What is there already is not sent again. The record, build/releases/ENV/images.json, is what
    training and deployment take the images from.
    """
    wanted, state = chosen(names), git.state()
    if state.dirty and env.startswith("prod"):
        raise UserError(
            "the working tree differs from its commit (`git status`), and nobody could build the "
            "same image again: commit or stash the changes before pushing to prod"
        )
    platform = outputs.read("platform", env)
    addresses = {name: str(platform["repository_urls"][IMAGES[name].repository]) for name in wanted}
    registry = sign_in(platform.region)
    rows = []
    with ended_by_signals():  # so that the folder with the password goes whatever ends us
        for name in wanted:
            rows.append(push_one(name, addresses[name], registry, state, env, dry_run=dry_run))
    record = str(pushed.path(env))
    report({"images": rows, "record": record, "dry_run": dry_run}, as_json=as_json)


def sign_in(region: str) -> Registry:
    """The registry of the account, where it is and with what password, for twelve hours."""
    answer = aws.client("ecr", region).get_authorization_token()
    given = answer["authorizationData"][0]
    user, _, password = base64.b64decode(given["authorizationToken"]).decode().partition(":")
    return Registry(given["proxyEndpoint"].rstrip("/"), user, password)


def push_one(
    name: str, address: str, registry: Registry, state: git.State, env: str, *, dry_run: bool
) -> dict[str, Any]:
    """Send one image unless it is there; look at what arrived; record it."""
    repository, tag = address.partition("/")[2], tag_of(name, state)
    found = registry.manifest(repository, tag)
    row: dict[str, Any] = {"name": name, "tag": tag}
    if found is None and dry_run:
        return row | {"image": address, "what": "would be pushed"}
    what, began = "was there", time.monotonic()
    if found is None:
        found = send(name, registry, repository, state)
        what = "pushed"
    manifests.check(found, repository, tag)
    image = f"{address}@{found.digest}"
    if not dry_run:
        entry = pushed.Pushed(image, tag, state.commit, found.media_type, found.size)
        pushed.record(name, entry, env)
    seconds = round(time.monotonic() - began, 1)
    return row | {"image": image, "what": what, "bytes": found.size, "seconds": seconds}


def send(name: str, registry: Registry, repository: str, state: git.State) -> Manifest:
    reference, tag = local(name, state), tag_of(name, state)
    docker.check()
    if docker.inspect(reference) is None:
        raise UserError(
            f"there is no image {reference} here, {name} of the present state of the repository: "
            f"run `kennel images build {name}` first"
        )
    what = f"pushing {reference} to {registry.host}/{repository}"
    with step(what), docker.signed_in(registry) as environment:
        docker.push(reference, f"{registry.host}/{repository}:{tag}", environment)
    found = registry.manifest(repository, tag)
    if found is None:
        raise UserError(f"{repository}:{tag} was pushed and is not there: push it again")
    return found


def report(result: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(result))
        return
    table = Table(box=None, pad_edge=False, show_header=False)
    for row in result["images"]:
        size = f"{row['bytes'] / 1e6:.0f} MB" if "bytes" in row else ""
        seconds = f"{row['seconds']:.1f} s" if "seconds" in row else ""
        table.add_row(row["name"], row["what"], size, seconds, row["image"])
    Console(highlight=False).print(table)
