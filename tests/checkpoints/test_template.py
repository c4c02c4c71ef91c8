from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.checkpoints.making import checkpoint
from trainwarden.checkpoints import template
from trainwarden.errors import RefusedError
from trainwarden.model import Checkpoint

RESUME = ["--resume", "{checkpoint}"]
AT_7 = checkpoint(Path("/out/ckpt-7"), None, step=7)


def put(arguments: list[str], words: list[str] = RESUME, at: Checkpoint = AT_7) -> list[str]:
    return template.put(arguments, words, at)


def test_the_arguments_are_put_behind_the_users() -> None:
    assert put(["--lr", "1", "data"]) == ["--lr", "1", "data", "--resume", "/out/ckpt-7"]


@pytest.mark.parametrize(
    "old", [["--resume", "x"], ["--resume=x"], ["--resume"], ["--resume", "x", "--resume=y"]], ids=" ".join
)
def test_earlier_ones_are_replaced_in_every_spelling(old: list[str]) -> None:
    assert put([*old, "--lr", "1"]) == put(["--lr", "1"])
    assert put(["--lr", "1", *old]) == put(["--lr", "1"])


def test_dashes_and_underscores_are_one_name() -> None:
    words = ["--resume_from_checkpoint", "{checkpoint}"]
    assert put(["--resume-from-checkpoint", "x"], words) == ["--resume_from_checkpoint", "/out/ckpt-7"]


def test_what_only_begins_alike_is_kept() -> None:
    kept = ["--resume_lr", "--resumes", "x", "resume", "--note=--resume"]
    assert put(kept)[: len(kept)] == kept


def test_key_value_words_are_replaced_by_their_key() -> None:
    assert put(["lr=1", "ckpt=old", "model.ckpt=m"], ["ckpt={checkpoint}"]) == [
        "lr=1",
        "model.ckpt=m",
        "ckpt=/out/ckpt-7",
    ]


def test_short_options_and_switches_are_too() -> None:
    words = ["-r", "{checkpoint}", "--continue", "--start={step}"]
    assert put(["-r", "x", "--continue", "y", "--start", "3"], words) == [
        "y", "-r", "/out/ckpt-7", "--continue", "--start=7"
    ]  # fmt: skip


def test_a_folder_that_is_named_like_a_placeholder_stays() -> None:
    at = checkpoint(Path("/out/{step}/ckpt-7"), None, step=7)
    assert put([], ["--resume", "{checkpoint}", "--from={step}"], at) == ["--resume", "/out/{step}/ckpt-7", "--from=7"]


def test_what_the_checkpoint_does_not_tell_is_refused() -> None:
    with pytest.raises(RefusedError, match="/out/ckpt-7: does not tell its epoch"):
        put([], ["--epoch", "{epoch}"])


@pytest.mark.parametrize(
    ("arguments", "words", "path"),
    [
        ([], RESUME, None),
        (["--resume", "a", "--resume", "b"], RESUME, "b"),
        (["--resume=a"], RESUME, "a"),
        (["--resume"], RESUME, None),
        (["ckpt=a=b"], ["ckpt={checkpoint}"], "a=b"),
        (["--start", "3"], ["--start", "{step}"], None),
    ],
)
def test_a_command_tells_from_where_it_resumes(arguments: list[str], words: list[str], path: str | None) -> None:
    assert template.read(arguments, words) == path


WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)


@given(st.lists(WORDS, max_size=8), st.sampled_from([RESUME, ["ckpt={checkpoint}"], ["-r", "{checkpoint}", "--c"]]))
def test_a_resume_of_a_resume_is_the_later_one_and_is_read_back(arguments: list[str], words: list[str]) -> None:
    first, later = (checkpoint(Path(f"/out/ckpt-{step}"), None, step=step) for step in (3, 9))
    resumed = put(put(arguments, words, first), words, later)
    assert resumed == put(arguments, words, later)
    assert template.read(resumed, words) == "/out/ckpt-9"
