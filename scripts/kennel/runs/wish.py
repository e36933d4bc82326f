"""What was asked for on the command line, of whatever is to run the trainer."""

from collections.abc import Mapping
from dataclasses import dataclass

from kennel.errors import UserError


@dataclass(frozen=True)
class Wish:
    data: str
    settings: Mapping[str, str]
    nodes: int | None = None
    spot: bool | None = None
    instance_type: str | None = None
    hours: float | None = None
    image: str = ""
    pretrained: str = ""
    resume: str = ""
    detach: bool = False
    quiet: bool = False
    dry_run: bool = False


def check_for_here(wish: Wish) -> None:
    """What only other machines can do is refused by name, not passed over."""
    asked = {
        "--nodes": wish.nodes,
        "--spot": wish.spot,
        "--on-demand": wish.spot is False,
        "--instance-type": wish.instance_type,
        "--hours": wish.hours,
        "--image": wish.image,
        "--pretrained": wish.pretrained,
        "--detach": wish.detach,
    }
    names = [name for name, value in asked.items() if value]
    if names:
        raise UserError(f"--where local runs here and now: it has no use for {', '.join(names)}")
