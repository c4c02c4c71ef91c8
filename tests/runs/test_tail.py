"""A log that somebody else writes, rotates, empties and replaces."""

import os
import shutil
from pathlib import Path

import pytest

from trainwarden.runs.tail import CHUNK, Tail


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "train.log"


def append(log: Path, text: str) -> None:
    with log.open("a") as file:
        file.write(text)


def test_what_stands_there_and_what_comes_later_is_read_once(log: Path) -> None:
    append(log, "one\n")
    tail = Tail(log)
    assert [tail.read(), tail.read()] == [b"one\n", b""]
    append(log, "two\n")
    assert [tail.read(), tail.read()] == [b"two\n", b""]


def test_a_file_that_comes_late_is_read_from_its_beginning(log: Path) -> None:
    tail = Tail(log)
    assert tail.read() == b""
    append(log, "late\n")
    assert tail.read() == b"late\n"


def test_a_renamed_file_is_read_to_its_end_before_the_new_one(log: Path) -> None:
    append(log, "one\n")
    tail = Tail(log)
    tail.read()
    append(log, "last words\n")
    log.rename(log.with_suffix(".1"))
    append(log, "new\n")
    assert [tail.read(), tail.read(), tail.read()] == [b"last words\n", b"new\n", b""]


def test_what_is_written_just_before_the_rotation_is_not_lost(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    append(log, "one\n")
    tail = Tail(log)
    tail.read()
    was_rotated = Tail._was_rotated

    def at_that_moment(self: Tail) -> bool:
        if not log.with_suffix(".1").exists():
            append(log, "last words\n")
            log.rename(log.with_suffix(".1"))
            append(log, "new\n")
        return was_rotated(self)

    monkeypatch.setattr(Tail, "_was_rotated", at_that_moment)
    assert [tail.read(), tail.read(), tail.read()] == [b"last words\n", b"new\n", b""]


def test_a_server_that_is_gone_is_waited_for(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    append(log, "one\n")
    tail = Tail(log)
    tail.read()
    with monkeypatch.context() as gone:
        gone.setattr(os, "fstat", lambda _: Path("/nowhere").stat())
        assert tail.read() == b""
        append(log, "two\n")
        tail.close()
        assert tail.read() == b""
    assert tail.read() == b"two\n"


def test_a_writer_that_stays_in_the_renamed_file_is_followed_while_the_new_one_is_empty(log: Path) -> None:
    with log.open("a") as writer:
        tail = Tail(log)
        writer.write("one\n")
        writer.flush()
        tail.read()
        log.rename(log.with_suffix(".1"))
        log.touch()
        assert tail.read() == b""
        writer.write("still here\n")
        writer.flush()
        assert tail.read() == b"still here\n"


def test_a_file_that_was_emptied_is_read_from_its_beginning(log: Path) -> None:
    append(log, "one, two and three\n")
    tail = Tail(log)
    tail.read()
    os.truncate(log, 0)
    assert tail.read() == b""
    append(log, "four\n")
    assert [tail.read(), tail.read()] == [b"four\n", b""]


def test_a_copied_and_emptied_log_goes_on_where_its_writer_appends(log: Path) -> None:
    with log.open("a") as writer:
        tail = Tail(log)
        writer.write("before\n")
        writer.flush()
        assert tail.read() == b"before\n"
        shutil.copy(log, log.with_suffix(".1"))
        os.truncate(log, 0)
        writer.write("after\n")
        writer.flush()
        assert [tail.read(), tail.read()] == [b"after\n", b""]


def test_a_hole_that_a_writer_leaves_behind_is_not_read_as_text(log: Path) -> None:
    with log.open("w") as writer:
        writer.write("x" * 10_000_000)
        writer.flush()
        tail = Tail(log)
        while tail.read():
            pass
        os.truncate(log, 0)
        assert tail.read() == b""
        writer.write("after\n")  # at 10 MB: nothing stands before it
        writer.flush()
        read = tail.read()
        assert read.endswith(b"after\n")
        assert len(read) < 10_000


def test_a_deleted_file_is_read_on_until_another_stands_there(log: Path) -> None:
    with log.open("a") as writer:
        tail = Tail(log)
        writer.write("one\n")
        writer.flush()
        assert tail.read() == b"one\n"
        log.unlink()
        writer.write("two\n")
        writer.flush()
        assert tail.read() == b"two\n"
    append(log, "three\n")
    assert tail.read() == b"three\n"


def test_one_reading_is_bounded_and_the_next_goes_on(log: Path) -> None:
    log.write_bytes(b"a" * CHUNK + b"b")
    tail = Tail(log)
    assert [tail.read(), tail.read(), tail.read()] == [b"a" * CHUNK, b"b", b""]


def test_a_successor_goes_on_where_it_stood_and_starts_over_in_another_file(log: Path) -> None:
    append(log, "one\ntwo\n")
    first = Tail(log)
    first.read()
    append(log, "three\n")
    assert Tail(log, first.offset, first.inode).read() == b"three\n"
    log.rename(log.with_suffix(".1"))
    append(log, "quite another file\n")
    assert Tail(log, first.offset, first.inode).read() == b"quite another file\n"


def test_a_place_beyond_the_end_is_not_believed(log: Path) -> None:
    append(log, "short\n")
    assert Tail(log, 1000).read() == b"short\n"


def test_a_named_pipe_is_neither_waited_for_nor_read(log: Path) -> None:
    os.mkfifo(log)
    reader = os.open(log, os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(log, os.O_WRONLY)
    os.write(writer, b"for somebody else\n")
    assert Tail(log).read() == b""
    assert os.read(reader, 100) == b"for somebody else\n"
    os.close(reader)
    os.close(writer)


@pytest.mark.timeout(10)
def test_a_named_pipe_takes_the_file_s_place_and_nothing_blocks(log: Path) -> None:
    append(log, "one\n")
    tail = Tail(log)
    tail.read()
    log.unlink()
    os.mkfifo(log)
    assert tail.read() == b""
    tail.close()
    assert tail.read() == b""


def test_a_folder_is_not_read(tmp_path: Path) -> None:
    assert Tail(tmp_path).read() == b""
