"""What forms the next batch: order, size, deadlines and those who left, without a clock."""

from dataclasses import dataclass

from server.batching import Queue, Waiting


@dataclass
class Ticket:
    gone: bool = False

    def done(self) -> bool:
        return self.gone


def entry(name: str, *, deadline: float = 100.0, gone: bool = False) -> Waiting[str, Ticket]:
    return Waiting(name, Ticket(gone), deadline)


def queue(*entries: Waiting[str, Ticket], most: int = 3) -> Queue[str, Ticket]:
    made: Queue[str, Ticket] = Queue(most)
    for each in entries:
        made.add(each)
    return made


def taken(made: Queue[str, Ticket], now: float = 0.0) -> list[str]:
    return [each.item for each in made.take(now).entries]


def test_one_alone_is_taken_at_once() -> None:
    assert taken(queue(entry("a"))) == ["a"]


def test_the_longest_waiting_come_first_and_no_more_than_a_batch() -> None:
    made = queue(*map(entry, "abcde"))
    assert taken(made) == ["a", "b", "c"]
    assert taken(made) == ["d", "e"]
    assert taken(made) == []


def test_streams_share_what_waits() -> None:
    made: Queue[str, Ticket] = Queue(most=4, takers=2)
    for name in "abcde":
        made.add(entry(name))
    assert taken(made) == ["a", "b", "c"]
    assert taken(made) == ["d"]
    assert taken(made) == ["e"]
    for name in "abcdefghijkl":
        made.add(entry(name))
    assert taken(made) == ["a", "b", "c", "d"]


def test_those_who_left_take_no_place_in_a_batch() -> None:
    made = queue(entry("a", gone=True), entry("b"), entry("c", gone=True), entry("d"), entry("e"))
    assert taken(made) == ["b", "d", "e"]


def test_those_past_their_deadline_are_told_and_not_computed() -> None:
    batch = queue(entry("a", deadline=5), entry("b", deadline=6)).take(now=5)
    assert [each.item for each in batch.entries] == ["b"]
    assert [each.item for each in batch.late] == ["a"]


def test_the_late_take_no_place_in_a_batch_either() -> None:
    made = queue(*(entry(name, deadline=1) for name in "abc"), *map(entry, "def"))
    assert taken(made, now=2) == ["d", "e", "f"]
