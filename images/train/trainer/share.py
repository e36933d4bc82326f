"""Each process's share of the pictures, decoded once and kept as uint8 in memory.

The picture with number i belongs to process i modulo their number, wherever its file lies. A
machine decodes what it has; where SageMaker has split the set by key, so that one has fewer or
none, the decoded pictures are sent to whom they belong. Every process then has as many as the
others, give or take one, and the course of training does not depend on where files were.
"""

import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor

from trainer import data
from trainer.errors import TrainingError
from trainer.world import World

MOST_MEMORY = 0.7  # of the machine's, for the decoded pictures of all its processes


@dataclass(frozen=True)
class Share:
    """The pictures of one split that this process works with."""

    pictures: Tensor  # N x R x R x 3, uint8
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
    digests: dict[str, str] = field(default_factory=dict)

    def load(self, split: str, owner: Callable[[int], int]) -> Share:
        """Decode what is mine to decode, and swap; picture i ends with the process owner(i)."""
        names = self.dataset.splits[split]
        owners = [owner(number) for number in range(len(names))]
        readers = assign(names, owners, self.holders)
        rank = self.world.rank
        mine = [number for number, reader in enumerate(readers) if reader == rank]
        read = self.world.together(lambda: self.read([names[number] for number in mine]))
        rows = {number: row for row, number in enumerate(mine)}
        kept = [number for number, each in enumerate(owners) if each == rank]
        pictures = swap(rank, read, rows, kept, owners, readers)
        labels = torch.tensor(self.dataset.labels(split))
        return Share(pictures, labels[kept], len(names))

    def read(self, names: list[str]) -> Tensor:
        pictures = torch.empty((len(names), self.resize, self.resize, 3), dtype=torch.uint8)

        def one(row: int) -> None:
            source = self.found.pictures[names[row]]
            content = source.read()
            self.digests[names[row]] = hashlib.sha256(content).hexdigest()
            where = source.path if source.size < 0 else f"{source.path}: {names[row]}"
            decoded = data.decode(content, self.resize, str(where))
            pictures[row] = torch.from_numpy(decoded.copy())

        threads = max(1, (os.cpu_count() or 1) // self.world.local_size)
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(one, range(len(names))))
        return pictures

    def fingerprint(self) -> str:
        digests: dict[str, str] = {}
        for each in self.world.gather(self.digests):
            digests |= each
        return data.fingerprint(digests)


def open_library(world: World, found: data.Found, resize: int, where: Path) -> Library:
    """Learn what all machines have, and refuse a set that spoils training or fills the memory."""
    speaks = world.local_rank == 0
    said = [list(found.pictures), sorted(set(found.folders))] if speaks else [[], []]
    heard = world.gather([world.node, *said, found.promised])
    by_node = {node: (names, folders) for node, names, folders, _ in heard if names or folders}
    nodes: dict[int, list[int]] = {}
    for rank, (node, _, _, _) in enumerate(heard):
        nodes.setdefault(node, []).append(rank)
    holders: dict[str, list[int]] = {}
    for node, (names, _) in sorted(by_node.items()):
        for name in names:
            holders.setdefault(name, []).extend(nodes[node])
    folders = {folder for _, each in by_node.values() for folder in each}
    dataset = data.survey(set(holders), folders, where)
    promised = {split: count for _, _, _, each in heard for split, count in each.items()}
    data.keep_promise(promised, dataset, where)
    world.together(lambda: check_memory(len(holders), resize, world))
    return Library(world, resize, dataset, found, holders)


def check_memory(pictures: int, resize: int, world: World) -> None:
    needed = pictures * resize * resize * 3 * world.local_size / world.size
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > MOST_MEMORY * memory:
        raise TrainingError(
            f"{pictures} pictures of {resize} pixels take {needed / 1e9:.1f} GB a machine, which "
            f"has {memory / 1e9:.1f} GB: lower the hyperparameter resize or take more machines"
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
