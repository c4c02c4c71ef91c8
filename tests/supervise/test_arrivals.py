"""When the training printed what: the keeper's word for it, and what is made of a word that cannot be true."""

import os

import pytest

from trainwarden.supervise.arrivals import Arrival, Arrivals, Telling


@pytest.fixture
def ends() -> tuple[Telling, Arrivals]:
    telling = Telling()
    return telling, Arrivals(telling.reader)


def test_a_reading_is_taken_apart_into_what_came_when(ends: tuple[Telling, Arrivals]) -> None:
    telling, arrivals = ends
    telling.tell(Arrival(1, 3, 10.2))
    telling.tell(Arrival(1, 5, 10.7))
    assert list(arrivals.pieces(1, 0, b"abcde", since=10.0, now=11.0)) == [(b"abc", 10.2), (b"de", 10.7)]


def test_a_piece_that_is_read_in_two_goes_came_at_one_time(ends: tuple[Telling, Arrivals]) -> None:
    telling, arrivals = ends
    telling.tell(Arrival(1, 5, 10.2))
    assert list(arrivals.pieces(1, 0, b"abc", since=10.0, now=11.0)) == [(b"abc", 10.2)]
    assert list(arrivals.pieces(1, 3, b"defg", since=10.0, now=12.0)) == [(b"de", 10.2), (b"fg", 12.0)]


def test_what_nobody_told_of_came_when_it_was_read(ends: tuple[Telling, Arrivals]) -> None:
    _, arrivals = ends
    assert list(arrivals.pieces(1, 0, b"abc", since=10.0, now=11.0)) == [(b"abc", 11.0)]


def test_what_was_read_before_it_was_told_of_does_not_count_again(ends: tuple[Telling, Arrivals]) -> None:
    telling, arrivals = ends
    telling.tell(Arrival(1, 3, 10.2))
    telling.tell(Arrival(1, 5, 11.2))
    assert list(arrivals.pieces(1, 3, b"de", since=11.0, now=12.0)) == [(b"de", 11.2)]


def test_a_generation_has_arrivals_of_its_own(ends: tuple[Telling, Arrivals]) -> None:
    telling, arrivals = ends
    telling.tell(Arrival(1, 900, 10.2))
    telling.tell(Arrival(2, 3, 20.2))
    telling.tell(Arrival(3, 3, 30.2))
    assert list(arrivals.pieces(2, 0, b"abcd", since=20.0, now=21.0)) == [(b"abc", 20.2), (b"d", 21.0)]
    assert list(arrivals.pieces(3, 0, b"abc", since=30.0, now=31.0)) == [(b"abc", 30.2)]


@pytest.mark.parametrize(("told", "believed"), [(3.0, 10.0), (10.5, 10.5), (99.0, 11.0)])
def test_no_word_moves_output_out_of_the_time_between_two_looks(
    ends: tuple[Telling, Arrivals], told: float, believed: float
) -> None:
    """A clock that was set, or a log that somebody emptied, must make a living training neither silent nor quick."""
    telling, arrivals = ends
    telling.tell(Arrival(1, 500, told))
    assert list(arrivals.pieces(1, 0, b"abc", since=10.0, now=11.0)) == [(b"abc", believed)]


def test_what_was_emptied_out_of_the_log_does_not_stand_in_the_way(ends: tuple[Telling, Arrivals]) -> None:
    telling, arrivals = ends
    telling.tell(Arrival(1, 500, 10.2))
    telling.tell(Arrival(1, 3, 10.7))
    assert list(arrivals.pieces(1, 0, b"abc", since=10.0, now=11.0)) == [(b"abc", 10.7)]
    telling.tell(Arrival(1, 5, 11.4))
    assert list(arrivals.pieces(1, 3, b"de", since=11.0, now=12.0)) == [(b"de", 11.4)]


def test_a_full_pipe_neither_blocks_the_keeper_nor_confuses_the_supervisor(ends: tuple[Telling, Arrivals]) -> None:
    telling, arrivals = ends
    for n in range(20_000):
        telling.tell(Arrival(1, n + 1, 10.0 + n))
    pieces = [*arrivals.pieces(1, 0, b"x" * 1024, since=0.0, now=1e9)]
    assert pieces == [(b"x", 10.0 + n) for n in range(1024)]
    pieces = [*arrivals.pieces(1, 1024, b"x" * 1024, since=0.0, now=1e9)]
    assert pieces == [(b"x", 1034.0 + n) for n in range(1024)]


def test_an_end_that_is_gone_is_no_error(ends: tuple[Telling, Arrivals]) -> None:
    telling, arrivals = ends
    os.close(telling.reader)
    telling.tell(Arrival(1, 3, 10.2))
    assert list(arrivals.pieces(1, 0, b"abc", since=10.0, now=11.0)) == [(b"abc", 11.0)]
