"""How much may be inside: requests and bytes, counted when they have come."""

from contextlib import suppress

import pytest

from server.admission import House
from server.errors import Overloaded


def test_a_full_house_refuses_before_and_after_the_body_and_has_room_again() -> None:
    house = House(most_requests=1, most_bytes=100)
    with house.enter() as late, house.enter() as place:
        place.settle()
        with pytest.raises(Overloaded, match="1 requests are waiting"):
            house.enter()
        with pytest.raises(Overloaded):
            late.settle()
    with house.enter() as place:
        place.settle()
        assert house.requests == 1
    assert house.requests == 0


def test_clients_that_have_not_sent_their_bodies_take_nobodys_place() -> None:
    house = House(most_requests=1, most_bytes=100)
    with house.enter(90), house.enter(90), house.enter(90) as place:
        assert (house.requests, house.bytes) == (0, 0)
        place.grow(90)
        place.settle()
        assert (house.requests, house.bytes) == (1, 90)
    assert (house.requests, house.bytes) == (0, 0)


def test_a_body_that_would_be_too_much_is_refused_by_its_head_and_as_it_grows() -> None:
    house = House(most_requests=9, most_bytes=100)
    with house.enter() as first, house.enter() as second:
        first.grow(60)
        with pytest.raises(Overloaded, match="60 bytes are waiting"):
            house.enter(declared=41)
        second.grow(40)
        with pytest.raises(Overloaded):
            second.grow(1)
    assert house.bytes == 0


def test_what_a_failed_request_took_is_given_back() -> None:
    house = House(most_requests=1, most_bytes=10)
    with suppress(ZeroDivisionError), house.enter() as place:
        place.grow(10)
        place.settle()
        raise ZeroDivisionError
    assert (house.requests, house.bytes) == (0, 0)
