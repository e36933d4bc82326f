"""How the processes of one machine meet."""

from torch.distributed import TCPStore  # type: ignore[attr-defined] # not in its __all__
from torch.distributed.elastic.rendezvous import RendezvousParameters

from trainer import launch


def test_each_start_meets_where_nothing_is_left_of_the_one_before() -> None:
    """Else a process could take the address of a dead one for that of its successor."""
    meeting = launch.meet(RendezvousParameters(launch.BACKEND, "", "run", 1, 1))
    before = store_of_workers(meeting)
    before.set("address of process 1", "of the dead")
    assert before.check(["address of process 1"])
    assert not store_of_workers(meeting).check(["address of process 1"])


def store_of_workers(meeting: launch.LoopbackRendezvous) -> TCPStore:
    place = meeting.next_rendezvous().bootstrap_store_info
    assert place.master_addr == "127.0.0.1"
    return TCPStore(place.master_addr, place.master_port, is_master=False)
