"""Every stage that an image is built of, checked without building it: the one for GPUs has 5 GB."""

import re
from pathlib import PurePath

import pytest

from kennel.images import IMAGES, chosen
from tests.conftest import ROOT

DOCKERFILES = sorted({image.dockerfile for image in IMAGES.values()})


def instructions(dockerfile: str) -> list[tuple[str, str]]:
    """Instruction and what follows it, with continued lines joined and comments left out."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / dockerfile).read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in lines if line.strip()]


def stages(dockerfile: str) -> list[str]:
    return [
        found[1] if (found := re.search(r" AS (\S+)$", rest)) else ""
        for word, rest in instructions(dockerfile)
        if word == "FROM"
    ]


def in_the_context(path: str) -> bool:
    """What .dockerignore lets through, which begins with forbidding all."""
    first, *rules = [e for e in (ROOT / ".dockerignore").read_text().splitlines() if e[:1] != "#"]
    assert first == "*"
    allowed = [rule[1:].removesuffix("/**") for rule in rules if rule.startswith("!")]
    return any(PurePath(path).is_relative_to(each) for each in allowed)


def test_without_names_all_are_built_that_this_machine_can_run() -> None:
    assert chosen([]) == ["train", "serve", "serve-gpu"]


@pytest.mark.parametrize("name", IMAGES)
def test_each_image_has_its_stage_and_its_lock(name: str) -> None:
    image = IMAGES[name]
    assert image.there
    assert image.target in stages(image.dockerfile)
    assert image.platform in ("linux/amd64", "linux/arm64")
    if image.lock:
        copied = [rest for word, rest in instructions(image.dockerfile) if word == "COPY"]
        assert [rest for rest in copied if rest.startswith(f"{image.lock} ")]


@pytest.mark.parametrize("dockerfile", DOCKERFILES)
def test_each_stage_takes_what_is_there(dockerfile: str) -> None:
    earlier: list[str] = []
    for word, rest in instructions(dockerfile):
        if word == "FROM":
            base = rest.split()[0]
            assert base == "${BASE}" or base in earlier, f"{rest}: no earlier stage"
            earlier.append(rest.rpartition(" AS ")[2] if " AS " in rest else "")
        if word != "COPY":
            continue
        *sources, _ = [each for each in rest.split() if not each.startswith("--")]
        if found := re.search(r"--from=(\S+)", rest):
            assert found[1] in earlier[:-1], f"{rest}: no earlier stage"
            continue
        for source in sources:
            assert (ROOT / source).exists(), f"{source} is missing"
            assert in_the_context(source), f"{source} is kept out by .dockerignore"


@pytest.mark.parametrize("dockerfile", DOCKERFILES)
def test_what_a_stage_imports_of_ours_is_in_its_package(dockerfile: str) -> None:
    package = (ROOT / dockerfile).parent
    for word, rest in instructions(dockerfile):
        if word == "RUN" and (found := re.search(r"python -c 'import ([^']+)'", rest)):
            for module in found[1].split(", "):
                if module.split(".")[0] in ("server", "trainer"):
                    assert (package / f"{module.replace('.', '/')}.py").exists(), module
