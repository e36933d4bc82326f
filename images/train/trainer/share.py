"""Each process's share of the pictures: decoded once and kept as uint8 in memory, or streamed.

The picture with number i belongs to process i modulo their number, wherever its file lies. A
machine decodes what it has; where SageMaker has split the set by key, so that one has fewer or
none, the decoded pictures are sent to whom they belong. Every process then has as many as the
others, give or take one, and the course of training does not depend on where files were.

A set too large for the memory is streamed: each process decodes its own pictures whenever it needs
them, to the same bits. Every machine must be able to read all of them then.
"""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor

from trainer import data
from trainer.errors import TrainingError
from trainer.journal import report, warn
from trainer.pictures import Kept, Pictures, Streamed, machine_memory
from trainer.world import World

SHOWN = 5  # of the files that are left out
# What a machine has: its host, pictures with their bytes, class folders, files that are none.
Said = tuple[str, dict[str, int], list[str], list[str]]


@dataclass(frozen=True)
class Share:
    """The pictures of one split that this process works with."""

    pictures: Pictures
    labels: Tensor
    total: int  # over all processes


@dataclass(frozen=True)
class Library:
    """What this process knows of the set: all names, who has which, and its own files."""

    world: World
    resize: int
    dataset: data.Dataset
    found: data.Found
    holders: dict[str, list[int]]  # ranks that could read a picture, by its name
    streams: bool = False
    digests: dict[str, str] = field(default_factory=dict)

    def load(self, split: str) -> Share:
        """This process's part of a split: decoded now, or whenever it will be wanted."""
        names = self.dataset.splits[split]
        owners = owners_of(split, len(names), self.world.size)
        mine = [number for number, each in enumerate(owners) if each == self.world.rank]
        labels = torch.tensor(self.dataset.labels(split))[mine]
        if self.streams:
            return Share(self.stream([names[number] for number in mine]), labels, len(names))
        return Share(Kept(self.decoded(names, owners, mine)), labels, len(names))

    def stream(self, names: list[str]) -> Pictures:
        return Streamed(lambda row: self.one(names[row]), len(names), self.resize, self.threads)

    def decoded(self, names: list[str], owners: list[int], mine: list[int]) -> Tensor:
        """Decode what is mine to decode, and swap it for what is mine to have."""
        readers = assign(names, owners, self.holders)
        rank = self.world.rank
        read_here = [number for number, reader in enumerate(readers) if reader == rank]
        read = self.world.together(lambda: self.read([names[number] for number in read_here]))
        rows = {number: row for row, number in enumerate(read_here)}
        return swap(rank, read, rows, mine, owners, readers)

    @property
    def threads(self) -> int:
        return max(1, (os.cpu_count() or 1) // self.world.local_size)

    def read(self, names: list[str]) -> Tensor:
        pictures = torch.empty((len(names), self.resize, self.resize, 3), dtype=torch.uint8)

        def one(row: int) -> None:
            pictures[row] = self.one(names[row])

        with ThreadPoolExecutor(self.threads) as pool:
            list(pool.map(one, range(len(names))))
        return pictures

    def one(self, name: str, resize: int = 0) -> Tensor:
        content, where = self.content(name), self.where(name)
        return torch.from_numpy(data.decode(content, resize or self.resize, where).copy())

    def content(self, name: str) -> bytes:
        try:
            content = self.found.pictures[name].read()
        except OSError as error:
            why = error.strerror or error
            raise TrainingError(f"{self.where(name)} cannot be read: {why}") from error
        self.digests[name] = hashlib.sha256(content).hexdigest()
        return content

    def where(self, name: str) -> str:
        source = self.found.pictures[name]
        return str(source.path) if source.size < 0 else f"{source.path}: {name}"

    def look_over(self) -> None:
        """Each process decodes its part once, as small as can be: a picture that cannot be read is
        to end the job before its first step, not in one of the last."""
        with ThreadPoolExecutor(self.threads) as pool:
            list(pool.map(lambda name: self.one(name, resize=1), self.part))

    @property
    def part(self) -> list[str]:
        """What this process answers for of a set that all can read."""
        return sorted(self.holders)[self.world.rank :: self.world.size]

    def fingerprint(self) -> str:
        """Of the whole set; all processes come here."""
        if self.streams:
            self.world.together(self.hash_the_rest)
        digests: dict[str, str] = {}
        for each in self.world.gather(self.digests):
            digests |= each
        return data.fingerprint(digests)

    def hash_the_rest(self) -> None:
        """A resumed run has not seen all of its share."""
        with ThreadPoolExecutor(self.threads) as pool:
            list(pool.map(self.content, (name for name in self.part if name not in self.digests)))


def open_library(
    world: World, found: data.Found, resize: int, most_memory: float, where: Path
) -> Library:
    """Learn what all machines have, refuse a set that spoils training, and say whether the pictures
    fit in memory."""
    speaks = world.local_rank == 0
    lengths = {name: each.length for name, each in found.pictures.items()} if speaks else {}
    said = [lengths, sorted(set(found.folders)), found.strange] if speaks else None
    heard = world.gather([world.node, world.host, said, found.promised])
    nodes: dict[int, list[int]] = {}
    for rank, (node, *_) in enumerate(heard):
        nodes.setdefault(node, []).append(rank)
    by_node = {node: (host, *each) for node, host, each, _ in heard if each}
    holders: dict[str, list[int]] = {}
    for node, (_, sizes, _, _) in sorted(by_node.items()):
        for name in sizes:
            holders.setdefault(name, []).extend(nodes[node])
    tell(world, by_node)
    folders = {folder for _, _, each, _ in by_node.values() for folder in each}
    dataset = data.survey(sizes_on_all(by_node), folders, where)
    promised = {split: count for *_, each in heard for split, count in each.items()}
    data.keep_promise(promised, dataset, where)
    held = most_held(dataset, holders, nodes[world.node], world.size)
    streams = too_large(held * resize * resize * 3, len(holders), most_memory, world)
    if streams:
        check_all_can_read(holders, world)
    return Library(world, resize, dataset, found, holders, streams)


def sizes_on_all(by_node: dict[int, Said]) -> dict[str, int]:
    """Of each file, in bytes; hosts with other files of the same names were given other sets."""
    sizes: dict[str, int] = {}
    first: dict[str, str] = {}
    for _, (host, has, _, _) in sorted(by_node.items()):
        for name, size in has.items():
            if sizes.setdefault(name, size) != size:
                raise TrainingError(
                    f"{name} has {sizes[name]} bytes on host {first[name]} and {size} on host "
                    f"{host}: give all hosts the same set"
                )
            first.setdefault(name, host)
    return sizes


def tell(world: World, by_node: dict[int, Said]) -> None:
    """What is no fault, but may not be meant."""
    if world.rank:
        return
    for host, sizes, _, _ in by_node.values():
        if not sizes:
            warn(f"host {host} got no pictures, the others share theirs with it: it has its part")
    strange = sorted({name for *_, each in by_node.values() for name in each})
    if strange:
        kinds = ", ".join(sorted(data.SUFFIXES))
        few = ", ".join(strange[:SHOWN]) + (", ..." if len(strange) > SHOWN else "")
        warn(f"{len(strange)} files in class folders are no pictures ({kinds}), left out: {few}")


def owners_of(split: str, count: int, size: int) -> list[int]:
    """Picture i is for process i modulo their number; test pictures are all for the first one."""
    return [0 if split == "test" else number % size for number in range(count)]


def most_held(
    dataset: data.Dataset, holders: dict[str, list[int]], ranks: list[int], size: int
) -> int:
    """The pictures that a machine's processes have in memory at once. While a split is dealt out
    that is more than in the end: what was read, what is on its way, and where it arrives."""
    here, kept, most = set(ranks), 0, 0
    for split, names in dataset.splits.items():
        owners = owners_of(split, len(names), size)
        readers = assign(names, owners, holders)
        own = sum(owner in here for owner in owners)
        passing = 0
        if readers != owners:
            pairs = list(zip(readers, owners, strict=True))
            read = sum(reader in here for reader in readers)
            sent = sum(reader in here for reader, owner in pairs if reader != owner)
            arriving = sum(owner in here for reader, owner in pairs if reader != owner)
            passing = read + sent + arriving
        most = max(most, kept + own + passing)
        kept += own
    return most


def too_large(needed: int, pictures: int, most: float, world: World) -> bool:
    """Whether the decoded pictures of any machine would take more than this share of its memory."""
    shares: list[float] = world.gather(needed / machine_memory())
    streams = max(shares) > most
    report(
        world,
        event="pictures",
        pictures=pictures,
        regime="streaming" if streams else "memory",
        gigabytes=round(needed / 1e9, 3),
        share_of_memory=round(max(shares), 4),
        most=most,
    )
    return streams


def check_all_can_read(holders: dict[str, list[int]], world: World) -> None:
    poor = [name for name, ranks in sorted(holders.items()) if len(ranks) < world.size]
    if poor:
        raise TrainingError(
            f"the set is larger than the hyperparameter memory allows and is to be streamed, but "
            f"only some hosts have {poor[0]}: give every host all of it (S3 data distribution type "
            "FullyReplicated, input mode FastFile), or take more hosts, or lower resize"
        )


def assign(names: list[str], owners: list[int], holders: dict[str, list[int]]) -> list[int]:
    """Who reads which: its owner if it can, else whoever of those who can has least to read."""
    reads = dict.fromkeys(sorted({rank for each in holders.values() for rank in each}), 0)
    readers = []
    for name, owner in zip(names, owners, strict=True):
        able = holders[name]
        reader = owner if owner in able else min(able, key=lambda rank: (reads[rank], rank))
        reads[reader] += 1
        readers.append(reader)
    return readers


def swap(
    rank: int,
    read: Tensor,
    rows: dict[int, int],
    kept: list[int],
    owners: list[int],
    readers: list[int],
) -> Tensor:
    """The pictures that I own, in their order, from what everyone has read."""
    if owners == readers:
        return read
    pictures = torch.empty((len(kept), *read.shape[1:]), dtype=torch.uint8)
    places = {number: row for row, number in enumerate(kept)}
    parcels: dict[tuple[int, int], list[int]] = {}
    for number, pair in enumerate(zip(readers, owners, strict=True)):
        parcels.setdefault(pair, []).append(number)
    works: list[dist.Work | None] = []
    arriving = []
    for (sender, receiver), numbers in sorted(parcels.items()):
        if sender == receiver == rank:
            pictures[[places[n] for n in numbers]] = read[[rows[n] for n in numbers]]
        elif sender == rank:
            works.append(dist.isend(read[[rows[n] for n in numbers]], receiver))
        elif receiver == rank:
            parcel = torch.empty((len(numbers), *read.shape[1:]), dtype=torch.uint8)
            works.append(dist.irecv(parcel, sender))
            arriving.append((parcel, numbers))
    for work in filter(None, works):
        work.wait()
    for parcel, numbers in arriving:
        pictures[[places[n] for n in numbers]] = parcel
    return pictures


def share_sizes(count: int, world: int) -> list[int]:
    return [len(range(rank, count, world)) for rank in range(world)]


def batch_bounds(count: int, steps: int) -> list[tuple[int, int]]:
    """One share cut into as many near-equal batches as there are steps: no tail, none left out."""
    cuts = [count * step // steps for step in range(steps + 1)]
    return list(pairwise(cuts))
