"""Which host is gone, from what the libraries say of it."""

import pytest

from trainer.places import Place

PLACE = Place(("algo-3", "localhost"), 0)


@pytest.mark.parametrize(
    ("said", "host"),
    [
        ("[pair.cc:534] Connection closed by peer [127.0.0.1]:41561", "localhost"),
        ("Read error [::ffff:10.1.2.3]:36013: Connection reset by peer", "10.1.2.3"),
        ("socketProgress: Connection closed by remote peer algo-3<44321>", "algo-3"),
    ],
)
def test_a_lost_connection_names_its_host(said: str, host: str) -> None:
    from trainer import hosts

    assert f"the connection to host {host} was lost" in hosts.lost(PLACE, said)
    assert said in hosts.lost(PLACE, said)


def test_other_reasons_and_those_of_a_single_host_stay_as_they_are() -> None:
    from trainer import hosts

    assert hosts.lost(PLACE, "ValueError: x") == "ValueError: x"
    said = "Connection closed by peer [127.0.0.1]:41561"
    assert hosts.lost(Place(), said) == said
