"""Bytes of a terminal become the lines that a reader would see, wherever the chunks are cut."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainwarden.runs.lines import MAX_LINE, LineSplitter, clean


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"plain", "plain"),
        (b"\x1b[2;36m2026-11-24\x1b[0m INFO", "2026-11-24 INFO"),
        (b"\x1b]8;id=1;file:///srv/a.py\x1b\\a.py\x1b]8;;\x1b\\:12", "a.py:12"),
        (b"\x1b]0;a window's title\x07text", "text"),
        (b"\x1b[?25l\x1b[2K\x1b[1Adone\x1b(B", "done"),
        ("学習 ████▊".encode(), "学習 ████▊"),
        (b"half \xe5\xad", "half \ufffd"),
        (b"link never closed \x1b]8;;file:///srv", "link never closed "),
        (b"escape at the end \x1b", "escape at the end "),
        (b"sequence cut \x1b[1;3", "sequence cut 1;3"),
    ],
)
def test_escape_sequences_are_removed_and_text_is_kept(raw: bytes, text: str) -> None:
    assert clean(raw) == text


def test_a_bar_drawn_anew_is_a_line_of_its_own() -> None:
    lines = LineSplitter().feed(b"\rsteps: 0\rsteps: 1\r\nepoch 1/6\r\n")
    assert lines == [b"steps: 0", b"steps: 1", b"epoch 1/6"]


def test_the_unfinished_line_is_seen_before_its_end() -> None:
    splitter = LineSplitter()
    assert splitter.feed(b"done\n\x1b[1mstill") == [b"done"]
    assert splitter.unfinished == b"\x1b[1mstill"
    assert splitter.finish() == b"\x1b[1mstill"


def test_position_is_the_end_of_the_last_whole_line() -> None:
    splitter = LineSplitter(position=100)
    splitter.feed(b"whole\nha")
    splitter.feed(b"lf")
    assert splitter.position == 106
    splitter.feed(b"\n")
    assert splitter.position == 111


def test_the_last_line_needs_no_end() -> None:
    splitter = LineSplitter()
    splitter.feed("Killed ✗".encode())
    assert splitter.finish() == "Killed ✗".encode()
    assert splitter.position == len("Killed ✗".encode())
    assert splitter.finish() == b""


@given(st.lists(st.binary(max_size=200) | st.sampled_from([b"\r", b"\n", b"\x1b[0m", b"\x1b]8;;", "学".encode()])))
def test_lines_do_not_depend_on_where_the_chunks_are_cut(chunks: list[bytes]) -> None:
    whole, pieces = LineSplitter(), LineSplitter()
    expected = whole.feed(b"".join(chunks))
    assert [line for chunk in chunks for line in pieces.feed(chunk)] == expected
    assert (pieces.position, pieces.unfinished) == (whole.position, whole.unfinished)


@pytest.mark.parametrize("chunk", [1000, 4096, 1 << 20, 1 << 24])
def test_a_line_without_end_is_cut_once_and_the_next_line_is_whole(chunk: int) -> None:
    data = b"x" * (10 << 20) + b"\nnext\n"
    splitter = LineSplitter()
    lines = [line for at in range(0, len(data), chunk) for line in splitter.feed(data[at : at + chunk])]
    assert [len(line) for line in lines] == [MAX_LINE, 4]
    assert splitter.position == len(data)


def test_memory_stays_flat_on_a_line_without_end() -> None:
    splitter, chunk = LineSplitter(), b"y" * 65536
    tracemalloc.start()
    try:
        for _ in range(160):
            splitter.feed(chunk)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20
