"""What a run is doing, how long its steps take, and what goes wrong, told from lines as trainers print them."""

import math

import msgspec
import pytest

from trainwarden.model import ErrorKind, Phase, Progress
from trainwarden.runs.follow import Follower

HEADER = (
    "running training / 学習開始\n"
    "  num batches per epoch / 1epochのバッチ数: 20\n"
    "  num epochs / epoch数: 6\n"
    "  gradient accumulation steps / 勾配を合計するステップ数 = 2\n"
    "  total optimization steps / 学習ステップ数: 60\n"
)


def bar(n: int, loss: str = "0.5", name: str = "steps", total: int = 60) -> str:
    return f"\r{name}:  10%|█         | {n}/{total} [00:01<00:10,  1.00s/it, avr_loss={loss}]"


def said(*pieces: str, follower: Follower | None = None) -> Progress:
    """Feed one piece a second."""
    follower = follower or Follower(1, 0.0)
    for second, piece in enumerate(pieces, start=1):
        follower.feed(piece.encode(), float(second))
    return follower.progress()


# --- phases -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("output", "phase"),
    [
        ("\rLoading pipeline components...:  25%|██▌       | 1/4 [00:00<00:00,  9.56it/s]", Phase.STARTING),
        ("\rread caption:   0%|          | 0/10 [00:00<?, ?it/s]", Phase.CACHING),
        ("    INFO     caching latents...     train_util.py:1170\n", Phase.CACHING),
        ("    INFO     prepare images.     train_util.py:2112\n\r  0%|     | 0/10 [00:00<?, ?it/s]", Phase.CACHING),
        ("prepare images.\n\r  0%|     | 0/10 [00:00<?, ?it/s]", Phase.CACHING),
        (HEADER, Phase.STARTING),
        (HEADER + "\rsteps:   0%|    | 0/60 [00:00<?, ?it/s]", Phase.TRAINING),
    ],
)
def test_before_the_first_step(output: str, phase: Phase) -> None:
    assert said(output).phase is phase


def test_a_hang_before_the_first_step_is_in_phase_training_with_no_step_yet() -> None:
    progress = said(HEADER, "\rsteps:   0%|    | 0/60 [00:00<?, ?it/s]\nepoch 1/6\n")
    assert (progress.phase, progress.phase_since, progress.step) == (Phase.TRAINING, 2.0, 0)
    assert (progress.last_step_at, progress.steps_done) == (None, 0)


def test_a_save_lasts_until_the_next_epoch_however_often_the_bar_is_redrawn() -> None:
    follower = Follower(1, 0.0)
    progress = said(bar(1), bar(2) + "\nsaving checkpoint: a\n", bar(2), "saving state at epoch 1\n", follower=follower)
    assert (progress.phase, progress.phase_since, progress.saves) == (Phase.CHECKPOINTING, 2.0, 1)
    progress = said("\nepoch 2/6\n", follower=follower)
    assert (progress.phase, progress.epoch, progress.max_epochs) == (Phase.TRAINING, 2, 6)


@pytest.mark.parametrize("news", [bar(3), bar(2, "0.49")])
def test_a_save_in_an_epoch_lasts_until_the_bar_shows_news(news: str) -> None:
    progress = said(bar(1), bar(2), "\nsaving checkpoint: a\n", news, bar(3), "\nsaving checkpoint: b\n")
    assert (progress.phase, progress.saves) == (Phase.CHECKPOINTING, 2)
    assert said(bar(1), bar(2), "\nsaving checkpoint: a\n", news).phase is Phase.TRAINING


@pytest.mark.parametrize(
    "evaluation",
    [
        "\ngenerating sample images at step / サンプル画像生成 ステップ: 100\n\r 10%|█   | 3/30 [00:01<00:10]",
        "\rvalidation steps:  10%|█   | 3/30 [00:01<00:10, 1.00s/it, val_avg_loss=0.1]",
        "\repoch validation steps:  10%|█   | 3/30 [00:01<00:10, 1.00s/it, val_epoch_avg_loss=0.1]",
        "\rEval:  10%|█   | 3/30 [00:01<00:10, 1.00s/it]",
        "\rEpoch 1/3 [Val]:  10%|█   | 3/30 [00:01<00:10, 1.00s/it]",
    ],
)
def test_samples_and_validation_are_no_steps(evaluation: str) -> None:
    progress = said(bar(1), bar(2), evaluation)
    assert (progress.phase, progress.step) == (Phase.EVALUATING, 2)
    assert said(bar(1), bar(2), evaluation, bar(3)).phase is Phase.TRAINING


def epoch_bar(epoch: int, n: int, stats: str = "") -> str:
    return f"\rEpoch {epoch}:  10%|█   | {n}/16 [00:00<00:10, 1.00s/it{stats}]"


def test_what_may_be_compiled_before_the_first_step_is_no_training_yet() -> None:
    assert said("\r  0%|   | 0/1980 [00:00<?, ?it/s]").phase is Phase.STARTING
    assert said("\r  0%|   | 0/1980 [00:00<?, ?it/s]", "\r  0%|   | 1/1980 [00:00<?, ?it/s]").phase is Phase.TRAINING


def test_behind_a_full_bar_a_trainer_evaluates_or_saves_without_a_word_until_the_next_step() -> None:
    follower = Follower(1, 0.0)
    progress = said(epoch_bar(0, 15), epoch_bar(0, 16), epoch_bar(0, 16, ", train_loss=0.1"), follower=follower)
    assert (progress.phase, progress.phase_since) == (Phase.EVALUATING, 2.0)
    assert said(epoch_bar(1, 0), follower=follower).phase is Phase.EVALUATING
    assert said(epoch_bar(1, 1), follower=follower).phase is Phase.TRAINING


def test_a_save_is_timed_until_the_next_sign_of_training() -> None:
    follower = Follower(1, 0.0)
    said(bar(1), bar(2), "\nsaving checkpoint: a\n", bar(2), follower=follower)
    assert follower.progress().last_save_seconds is None
    follower.feed(b"\nepoch 2/6\n", 10.0)
    assert follower.progress().last_save_seconds == 7.0


def test_the_last_save_ends_with_the_output() -> None:
    follower = Follower(1, 0.0)
    said(bar(1), "\nsaving checkpoint: a\n", follower=follower)
    follower.finish(5.0)
    assert follower.progress().last_save_seconds == 3.0


def test_a_bar_of_something_prepared_gives_way_to_the_longer_one_that_follows_and_has_no_name_either() -> None:
    progress = said(
        "\r 10%|█  | 1/10 [00:01]",
        "\r100%|█| 10/10 [00:01]\n",
        *(f"\r 1%|  | {n}/1980 [00:00<?, ?it/s]" for n in (0, 1, 2)),
    )
    assert (progress.step, progress.max_steps, progress.steps_done) == (2, 1980, 2)


@pytest.mark.parametrize(
    ("output", "framework"),
    [
        (HEADER, "kohya"),
        ("\r  1%|   | 1/1980 [00:00<?, ?it/s]", "torch"),
        ("\r  1%|   | 1/9 [00:00<?, ?it/s]{'loss': 4.3, 'epoch': 0.2}\n", "hf"),
        ("\rSanity Checking DataLoader 0:   0%|   | 0/2 [00:00<?, ?it/s]", "lightning"),
        ("loading the model\n", ""),
    ],
)
def test_the_framework_is_known_by_what_only_it_prints(output: str, framework: str) -> None:
    assert said(output).framework == framework


def test_of_ranks_whose_lines_are_told_apart_only_the_lowest_counts() -> None:
    lines = "".join(f"[default{rank}]:{bar(n)[1:]}\n" for n in range(1, 9) for rank in (1, 0, 3, 2))
    progress = said(lines)
    assert (progress.step, progress.steps_done) == (8, 7)


# --- durations --------------------------------------------------------------------------------------------
def timed(progress: Progress) -> tuple[int, float]:
    assert progress.durations is not None
    return sum(progress.durations.counts), progress.durations.sum


def test_the_first_step_is_not_timed_and_a_redraw_is_no_step() -> None:
    progress = said(bar(0), bar(1), bar(1), bar(2), bar(2, "0.4"))
    assert timed(progress) == (1, 2.0)
    assert (progress.last_step_at, progress.steps_done, progress.loss) == (4.0, 2, 0.4)


def test_steps_that_appear_together_share_the_time() -> None:
    progress = said(bar(0), bar(1), "", "", bar(2) + bar(3) + bar(4))
    assert timed(progress) == (3, 3.0)
    assert progress.median_step_seconds == 1.0


def test_a_slowdown_is_seen_at_once_whatever_the_bar_says_of_its_rate() -> None:
    follower = Follower(1, 0.0)
    for n in range(11):
        follower.feed(bar(n).encode(), float(n))
    follower.feed(bar(11).encode(), 40.0)
    assert timed(follower.progress()) == (10, 39.0)
    assert follower.progress().median_step_seconds == 1.0


@pytest.mark.parametrize("pause", ["\nsaving checkpoint: a\n", "\ngenerating sample images at step 2\n"])
def test_the_time_of_a_save_is_not_the_steps(pause: str) -> None:
    assert timed(said(bar(0), bar(1), bar(2), pause, "\nepoch 2/6\n", bar(3), bar(4))) == (2, 2.0)
    # All in one read: step 2 came before the pause, steps 3 and 4 after it.
    assert timed(said(bar(0), bar(1), bar(2) + pause + bar(3) + bar(4), bar(5))) == (2, 2.0)


def test_a_clock_set_back_and_a_backlog_read_in_pieces_time_nothing() -> None:
    follower = Follower(1, 100.0)
    for now, n in ((100.0, 0), (101.0, 1), (50.0, 2), (50.0, 3), (51.0, 4)):
        follower.feed(bar(n).encode(), now)
    assert timed(follower.progress()) == (1, 1.0)
    assert follower.progress().steps_done == 4


# --- steps ------------------------------------------------------------------------------------------------
def test_a_given_step_of_the_checkpoint_goes_before_the_header() -> None:
    progress = said(HEADER, bar(0), bar(3), follower=Follower(2, 0.0, resumed_epochs=2, base_step=25))
    assert (progress.step, progress.steps_done, progress.generation) == (28, 3, 2)


def test_a_header_that_comes_after_the_bar_tells_the_step_then() -> None:
    follower = Follower(2, 0.0, resumed_epochs=2)
    assert said(bar(0), bar(3), follower=follower).step is None
    progress = said("\n" + HEADER, bar(4), follower=follower)
    assert (progress.step, progress.steps_done) == (24, 4)


def test_a_caching_bar_that_was_taken_for_steps_is_given_up_for_the_real_one() -> None:
    progress = said("\r 10%|█  | 1/10 [00:01<00:10]", "\r100%|█| 10/10 [00:01<00:10]\n" + HEADER, bar(0), bar(1))
    assert (progress.step, progress.max_steps, progress.steps_done, progress.counter) == (1, 60, 1, "steps")


def test_hugging_faces_bar_loss_and_evaluation() -> None:
    progress = said(
        "\r  0%|   | 0/1980 [00:00<?, ?it/s]",
        "\r  1%|▏  | 20/1980 [08:18<10:55:42, 24.90s/it]{'loss': '4.328', 'epoch': '0.25'}\n",
        "\rWriting model shards: 100%|██████████| 1/1 [00:00<00:00, 391.44it/s]",
        "\r 10%|█  | 5/50 [00:00<?, ?it/s]",
    )
    assert (progress.step, progress.max_steps, progress.loss) == (20, 1980, 4.328)
    assert progress.phase is Phase.EVALUATING


def test_a_trainer_whose_bar_is_switched_off_lives_and_is_in_no_phase_for_long() -> None:
    """`disable_tqdm=True`: after an hour in `starting` a human would be called."""
    losses = [f"{{'loss': {1 / second:.3f}, 'epoch': 0.1}}\n" for second in range(1, 10)]
    progress = said(*losses)
    assert (progress.phase, progress.phase_since, progress.step) == (Phase.STARTING, 9.0, None)
    progress = said("Saving model checkpoint to out/checkpoint-10\n", *losses)
    assert (progress.phase, progress.phase_since, progress.saves) == (Phase.STARTING, 10.0, 1)


def test_lightnings_bar_counts_on_from_epoch_to_epoch() -> None:
    epochs = [f"\rEpoch {e}:  10%|█ | {n}/16 [00:00<00:00, 1it/s, train_loss=0.2]" for e in (0, 1) for n in (0, 8, 16)]
    progress = said(*epochs)
    assert (progress.step, progress.steps_done, progress.max_steps, progress.epoch) == (32, 32, None, 2)


# --- errors -----------------------------------------------------------------------------------------------
def test_a_lost_loss_is_counted_once_and_the_steps_go_on() -> None:
    progress = said(bar(1, "0.5"), bar(2, "nan"), bar(3, "nan"), bar(4, "nan"))
    assert (progress.step, progress.loss, progress.errors) == (4, None, {"nan_loss": 1})
    assert "4/60" not in progress.last_error
    assert "2/60" in progress.last_error
    assert said(bar(1, "nan"), bar(2, "0.5"), bar(3, "inf")).errors == {"nan_loss": 2}


def test_each_step_drawn_with_a_lost_loss_is_counted_once_over_all_generations() -> None:
    follower = Follower(2, 0.0, carried_nonfinite=5)
    progress = said(bar(1), bar(2, "nan"), bar(2, "nan"), bar(3, "inf"), bar(4), bar(5, "nan"), follower=follower)
    assert (progress.nonfinite_losses, progress.errors) == (8, {"nan_loss": 2})


def test_errors_are_counted_over_all_generations_and_the_newest_line_is_kept() -> None:
    follower = Follower(2, 0.0, carried_errors={"exception": 1, "nccl": 2})
    progress = said(bar(1) + "Traceback (most recent call last):\n  File x\nValueError: no\n", follower=follower)
    assert (progress.errors, progress.last_error) == ({"exception": 2, "nccl": 2}, "ValueError: no")


def test_a_consequence_does_not_hide_its_cause() -> None:
    progress = said(
        "RuntimeError: CUDA error: unknown error\n"
        "CUDA kernel errors might be asynchronously reported at some other API call\n"
        "subprocess.CalledProcessError: Command '['python']' returned non-zero exit status 1.\n"
    )
    assert (progress.errors, progress.last_error) == (
        {"cuda_unknown_error": 1},
        "RuntimeError: CUDA error: unknown error",
    )


def test_last_words_without_an_end_of_line_are_read_when_the_output_is_over() -> None:
    follower = Follower(1, 0.0)
    follower.feed(f"{bar(1)}\n\x1b[31mRuntimeError: \x07{'x' * 300}".encode(), 1.0)
    assert follower.progress().errors == {}
    follower.finish(2.0)
    progress = follower.progress()
    assert progress.errors == {ErrorKind.EXCEPTION.value: 1}
    assert len(progress.last_error) == 200
    assert "\x07" not in progress.last_error


# --- a follower that was killed ---------------------------------------------------------------------------
LIFE = (
    "    INFO     prepare images.     train_util.py:2112\n\r 50%|█  | 5/10 [00:00<?, ?it/s]\n"
    + HEADER.replace("60\n", "55\n")
    + bar(0)
    + "\nepoch 3/6\n"
    + "".join(bar(n) + bar(n, f"0.{n}") for n in range(1, 10))
    + "\nsaving checkpoint: /srv/tiny-000003.safetensors\n    INFO     saving state at epoch 3   train_util.py:5942\n"
    + bar(9, "0.9")
    + "\nepoch 4/6\n"
    + bar(10, "nan")
    + bar(11, "nan")
    + "\rvalidation steps:  10%|█   | 3/30 [00:01<00:10, 1.00s/it]"
    + bar(12, "nan")
    + "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1 GiB\nNCCL error\nKilled\n"
).encode()


def whole_life() -> Progress:
    follower = Follower(2, 0.0, resumed_epochs=2, carried_errors={"nccl": 1})
    follower.feed(LIFE, 1.0)
    return follower.progress()


def test_a_whole_life() -> None:
    progress = whole_life()
    assert (progress.step, progress.max_steps, progress.epoch, progress.steps_done) == (32, 55, 4, 12)
    assert (progress.phase, progress.saves, progress.loss) == (Phase.TRAINING, 1, None)
    assert progress.errors == {"nccl": 2, "nan_loss": 1, "cuda_out_of_memory": 1, "killed": 1}


def test_a_follower_killed_at_any_byte_and_resumed_counts_the_same() -> None:
    expected = msgspec.structs.replace(whole_life(), durations=None)
    for end in range(len(LIFE)):
        first = Follower(2, 0.0, resumed_epochs=2, carried_errors={"nccl": 1})
        first.feed(LIFE[:end], 1.0)
        stored = msgspec.json.decode(msgspec.json.encode(first.progress()), type=Progress)
        second = Follower.resume(stored, resumed_epochs=2)
        second.feed(LIFE[stored.position :], 1.0)
        assert msgspec.structs.replace(second.progress(), durations=None) == expected, LIFE[:end]


def test_durations_are_carried_on_and_the_time_without_a_follower_is_not_a_steps() -> None:
    stored = said(bar(0), bar(1), bar(2), bar(3))
    follower = Follower.resume(stored)
    follower.feed(bar(9).encode(), 500.0)
    follower.feed(bar(10).encode(), 501.0)
    progress = follower.progress()
    assert timed(progress) == (3, 3.0)
    assert (progress.steps_done, progress.last_step_at, progress.median_step_seconds) == (10, 501.0, 1.0)


def test_a_new_generation_is_no_step_backwards() -> None:
    died = said(HEADER, bar(0), bar(29))
    assert died.step == 29
    follower = Follower(2, 10.0, resumed_epochs=2, carried_errors=died.errors)
    progress = said(HEADER, bar(0), follower=follower)
    assert (progress.generation, progress.step, progress.steps_done) == (2, 20, 0)
    assert not math.isnan(progress.phase_since)
