"""The write-ahead journal: what survives, what is tolerated, and what stops everything."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainwarden.restart import events
from trainwarden.restart.ledger import Ledger, LedgerError


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    found = Ledger(tmp_path / "ledger.jsonl")
    for generation in (1, 2, 3):
        found.append(events.Accepted(generation=generation, alert="TrainwardenRunHung", at=1.0, run_id="r"))
    return found


def test_what_was_appended_is_read_again(ledger: Ledger) -> None:
    assert [event.generation for event in ledger.read()] == [1, 2, 3]


def test_no_file_is_an_empty_ledger(tmp_path: Path) -> None:
    assert Ledger(tmp_path / "none").read() == []


def test_only_the_owner_reads_it(ledger: Ledger) -> None:
    assert ledger.path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("torn", [b'{"event":"acc', b"\0" * 700, b"{}"])
def test_a_last_line_that_was_cut_short_is_left_out_and_reported(
    ledger: Ledger, torn: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with ledger.path.open("ab") as file:
        file.write(torn)
    assert len(ledger.read()) == 3
    assert "cut short" in caplog.text


def test_a_cut_line_never_stands_amid_whole_ones(ledger: Ledger) -> None:
    os.truncate(ledger.path, ledger.path.stat().st_size - 5)
    ledger.append(events.Stopping())
    assert [type(event).__name__ for event in ledger.read()] == ["Accepted", "Accepted", "Stopping"]


@pytest.mark.parametrize("garbage", [b"garbage\n", b"\n", b"\0\0\0\n", b'{"event":"unheard-of"}\n', b"\xff\xfe\n"])
def test_any_other_damage_names_file_line_and_mend(ledger: Ledger, garbage: bytes) -> None:
    first, _, rest = ledger.path.read_bytes().partition(b"\n")
    ledger.path.write_bytes(first + b"\n" + garbage + rest)
    with pytest.raises(LedgerError, match=r"ledger\.jsonl: line 2 is damaged .*moved aside"):
        ledger.read()


def test_a_last_line_that_is_whole_and_wrong_is_damage(ledger: Ledger) -> None:
    with ledger.path.open("ab") as file:
        file.write(b"garbage\n")
    with pytest.raises(LedgerError, match="line 4"):
        ledger.read()


def test_a_folder_in_its_place_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="cannot be read"):
        Ledger(tmp_path).read()


def test_a_full_disk_leaves_the_file_as_it_was(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    before = ledger.path.read_bytes()
    monkeypatch.setattr(os, "pwrite", lambda handle, data, at: os.write(handle, data[:5]))
    with pytest.raises(LedgerError, match="No space left"):
        ledger.append(events.Stopping())
    assert ledger.path.read_bytes() == before


def test_a_missing_folder_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="cannot be written: No such file"):
        Ledger(tmp_path / "gone" / "ledger.jsonl").append(events.Stopping())


@given(st.integers(min_value=0, max_value=10_000))
def test_cut_at_any_byte_it_holds_a_beginning_of_what_was_written(cut: int) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(Path(folder) / "ledger.jsonl")
        for generation in range(1, 4):
            ledger.append(events.Accepted(generation=generation, alert="TrainwardenRunHung"))
        os.truncate(ledger.path, min(cut, ledger.path.stat().st_size))
        found = [event.generation for event in ledger.read()]
        assert found == [1, 2, 3][: len(found)]
        ledger.append(events.Stopping())
        assert len(ledger.read()) == len(found) + 1
