import os
from pathlib import Path

import pytest

from tests.checkpoints import scripts
from tests.checkpoints.making import WRITTEN_AT, checkpoint, cut, make_parts, make_weights, write_json
from trainwarden.checkpoints import RECIPES
from trainwarden.checkpoints.base import Found
from trainwarden.errors import ConfigurationError, RefusedError
from trainwarden.model import Checkpoint, Resume, ResumeTemplate

HF = RECIPES["hf"]
STATE = "trainer_state.json"
WRITE_ORDER = ("model.safetensors", "training_args.bin", "optimizer.pt", "scheduler.pt", "rng_state.pth", STATE)
COMMAND = ["python", "train.py", "--output_dir", "out"]


def make(folder: Path, step: int, names: tuple[str, ...] = WRITE_ORDER, at: float = WRITTEN_AT) -> Path:
    made = make_parts(folder / f"checkpoint-{step}", names, at)
    write_json(made / STATE, {"global_step": step, "max_steps": 100, "log_history": [{"loss": 1.0}] * 50})
    return made


def fault(path: Path) -> str:
    (found,) = [one for one in HF.find(path.parent, None) if one.path == path]
    return HF.verify(found)


def as_checkpoint(path: Path, step: int) -> Checkpoint:
    found = Found(path, None, step, final=False, resumable=True)
    made = checkpoint(found.path, None, step=step)
    return Checkpoint(**{f: getattr(made, f) for f in made.__struct_fields__} | {"resumable": True})


def resume(cwd: Path, path: Path, step: int, *more: str) -> list[str]:
    (cwd / "train.py").write_text(scripts.HF)
    return HF.resume_command([*COMMAND, *more], cwd, as_checkpoint(path, step))


class TestFinding:
    def test_the_highest_step_comes_first(self, tmp_path: Path) -> None:
        for step in (500, 1500, 1000):
            make(tmp_path, step)
        (tmp_path / "tmp-checkpoint-2000").mkdir()
        (tmp_path / "checkpoint-best").mkdir()
        (tmp_path / "checkpoint-9999").touch()
        assert [(one.path.name, one.step, one.resumable) for one in HF.find(tmp_path, None)] == [
            ("checkpoint-1500", 1500, True),
            ("checkpoint-1000", 1000, True),
            ("checkpoint-500", 500, True),
        ]

    @pytest.mark.parametrize("name", ["latest", "global_step500/", "pytorch_model_fsdp_0/", "zero_to_fp32.py"])
    def test_a_sharded_one_is_not_gone_on_from(self, tmp_path: Path, name: str) -> None:
        made = make(tmp_path, 500, ("training_args.bin", STATE))
        (made / name).mkdir() if name.endswith("/") else (made / name).touch()
        (found,) = HF.find(tmp_path, None)
        assert (found.resumable, HF.verify(found)) == (False, "")


class TestVerifying:
    @pytest.mark.parametrize(
        "weights",
        [
            ("model.safetensors",),
            ("pytorch_model.bin",),
            ("adapter_model.safetensors",),
            ("policy/adapter_model.safetensors", "reference/adapter_model.safetensors"),
            ("model-1.safetensors", "model-2.safetensors", "model.safetensors.index.json"),
        ],
    )
    @pytest.mark.parametrize("random", [("rng_state.pth",), ("rng_state_0.pth", "rng_state_1.pth")])
    def test_whole_ones(self, tmp_path: Path, weights: tuple[str, ...], random: tuple[str, ...]) -> None:
        made = make(tmp_path, 500, (*weights, "optimizer.pt", "scheduler.pt", *random, STATE))
        if weights[-1].endswith(".json"):
            write_json(made / weights[-1], {"weight_map": {"a": weights[0], "b": weights[1]}})
        assert fault(made) == ""

    def test_each_named_adapter_must_be_whole_and_older_than_the_optimizer(self, tmp_path: Path) -> None:
        adapter = "reference/adapter_model.safetensors"
        made = make(tmp_path, 500, ("policy/adapter_model.safetensors", adapter, *WRITE_ORDER[2:]))
        os.utime(made / adapter, (WRITTEN_AT + 60, WRITTEN_AT + 60))
        assert "is older than the file written before it" in fault(made)
        cut(made / adapter, 20)
        assert fault(made).startswith(f"{made / adapter}: ")

    def test_random_states_may_be_written_behind_the_state(self, tmp_path: Path) -> None:
        made = make(tmp_path, 500, ("model.safetensors", "optimizer.pt", "scheduler.pt", STATE, "rng_state.pth"))
        assert fault(made) == ""

    @pytest.mark.parametrize("name", [name for name in WRITE_ORDER if name != "training_args.bin"])
    def test_each_file_must_be_there(self, tmp_path: Path, name: str) -> None:
        made = make(tmp_path, 500)
        (made / name).unlink()
        assert fault(made).startswith(f"{made}")
        assert "the save was cut short" in fault(made)

    @pytest.mark.parametrize("name", [*WRITE_ORDER])
    def test_each_file_must_be_whole(self, tmp_path: Path, name: str) -> None:
        made = make(tmp_path, 500)
        cut(made / name, (made / name).stat().st_size // 2)
        assert fault(made).startswith(f"{made / name}: ")

    @pytest.mark.parametrize("written", range(1, 6))
    def test_a_save_over_an_older_one_that_was_cut_short(self, tmp_path: Path, written: int) -> None:
        names = tuple(name for name in WRITE_ORDER if name != "training_args.bin")
        made = make(tmp_path, 500, names)
        for place in range(written):
            os.utime(made / names[place], (WRITTEN_AT + 60 + place, WRITTEN_AT + 60 + place))
        assert ("is older than the file written before it" in fault(made)) is (written < len(names))

    def test_every_shard_must_be_there(self, tmp_path: Path) -> None:
        made = make(tmp_path, 500, ("model.safetensors.index.json", *WRITE_ORDER[1:]))
        write_json(made / "model.safetensors.index.json", {"weight_map": {"a": "model-1.safetensors"}})
        assert "model-1.safetensors missing" in fault(made)

    def test_a_rank_without_its_random_state(self, tmp_path: Path) -> None:
        made = make(tmp_path, 500, (*WRITE_ORDER[:4], "rng_state_1.pth", STATE))
        assert "rng_state.pth missing" in fault(made)

    def test_a_sentinel_that_stands_still(self, tmp_path: Path) -> None:
        made = make(tmp_path, 500)
        (made / "checkpoint-is-incomplete.txt").touch()
        assert "checkpoint-is-incomplete.txt: stands there still" in fault(made)

    def test_the_state_of_another_step(self, tmp_path: Path) -> None:
        made = make(tmp_path, 500).rename(tmp_path / "checkpoint-600")
        assert fault(made) == f"{made / STATE}: says step 500 in a folder named for step 600"

    @pytest.mark.parametrize("content", [[], {"global_step": "500"}, {"global_step": None}, 3])
    def test_a_state_that_is_none(self, tmp_path: Path, content: object) -> None:
        made = make(tmp_path, 500)
        write_json(made / STATE, content)
        assert "is not a trainer state" in fault(made)


class TestResuming:
    def test_the_checkpoint_is_named_behind_the_users_arguments(self, tmp_path: Path) -> None:
        made = make(tmp_path / "out", 50)
        assert resume(tmp_path, made, 50) == [*COMMAND, "--resume_from_checkpoint", str(made)]

    @pytest.mark.parametrize("old", [["True"], ["last"], ["out/checkpoint-20"]])
    def test_an_earlier_resume_is_replaced(self, tmp_path: Path, old: list[str]) -> None:
        made = make(tmp_path / "out", 50)
        fresh = resume(tmp_path, made, 50)
        assert resume(tmp_path, made, 50, "--resume_from_checkpoint", *old) == fresh
        assert resume(tmp_path, made, 50, f"--resume-from-checkpoint={old[0]}") == fresh

    def test_a_script_that_would_begin_from_zero_is_refused(self, tmp_path: Path) -> None:
        made = make(tmp_path / "out", 50)
        (tmp_path / "train.py").write_text(scripts.HF_DEAF)
        with pytest.raises(RefusedError, match=r"train\.py does not show that --resume_from_checkpoint reaches train"):
            HF.resume_command(COMMAND, tmp_path, as_checkpoint(made, 50))

    def test_the_user_may_vouch_for_it(self, tmp_path: Path) -> None:
        made = make(tmp_path / "out", 50)
        vouched = HF.declared(ResumeTemplate(arguments=["--from", "{checkpoint}", "--at={step}"]))
        assert vouched.settings(["./train", "--output_dir", "out"], tmp_path).problem == ""
        assert vouched.resume_command(["./train", "--from", "x"], tmp_path, as_checkpoint(made, 50)) == [
            "./train", "--from", str(made), "--at=50"
        ]  # fmt: skip
        assert vouched.resumed_from(["./train", "--from", "out/checkpoint-50"]) == Resume("out/checkpoint-50", None, 50)

    def test_the_last_step_is_refused(self, tmp_path: Path) -> None:
        made = make(tmp_path / "out", 100)
        with pytest.raises(RefusedError, match="holds the last of 100 steps"):
            resume(tmp_path, made, 100)

    def test_a_training_that_saved_its_state_at_its_end_is_refused(self, tmp_path: Path) -> None:
        made = make(tmp_path / "out", 50)
        (tmp_path / "out" / STATE).write_text('{"global_step": 90}')
        with pytest.raises(RefusedError, match=r"trainer_state\.json: is newer than .*: the training has ended"):
            resume(tmp_path, made, 50)
        os.utime(tmp_path / "out" / STATE, (WRITTEN_AT - 60, WRITTEN_AT - 60))
        assert resume(tmp_path, made, 50)

    def test_a_sharded_one_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "train.py").write_text(scripts.HF)
        with pytest.raises(RefusedError, match="cannot be gone on from exactly"):
            HF.resume_command(COMMAND, tmp_path, checkpoint(tmp_path / "out/checkpoint-50", None, step=50))

    @pytest.mark.parametrize(
        ("arguments", "resumed"),
        [
            ([], None),
            (["--resume_from_checkpoint", "out/checkpoint-20/"], Resume("out/checkpoint-20/", None, 20)),
            (["--resume_from_checkpoint=True"], Resume("True", None, None)),
        ],
    )
    def test_a_command_tells_from_where_it_resumes(self, arguments: list[str], resumed: Resume | None) -> None:
        assert HF.resumed_from([*COMMAND, *arguments]) == resumed


class TestSettings:
    def test_the_folder_is_the_trainers(self, tmp_path: Path) -> None:
        (tmp_path / "train.py").write_text(scripts.HF)
        settings = HF.settings(["python", "train.py", "--output-dir=out"], tmp_path)
        assert (settings.folder, settings.problem, settings.warnings) == (tmp_path / "out", "", ())

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (["--save_strategy", "no"], "saves no checkpoint"),
            (["--save_only_model"], "without optimizer and step"),
            (["--save_only_model", "True"], "without optimizer and step"),
            (["--deepspeed", "ds.json"], "under --deepspeed cannot be verified here"),
            (["--fsdp", "full_shard"], "under --fsdp cannot be verified here"),
        ],
    )
    def test_what_could_not_be_resumed_is_told_at_launch(
        self, tmp_path: Path, arguments: list[str], sentence: str
    ) -> None:
        (tmp_path / "train.py").write_text(scripts.HF)
        assert sentence in HF.settings([*COMMAND, *arguments], tmp_path).problem
        with pytest.raises(RefusedError, match=sentence):
            HF.resume_command([*COMMAND, *arguments], tmp_path, as_checkpoint(make(tmp_path / "out", 50), 50))

    def test_a_single_kept_checkpoint_is_a_warning(self, tmp_path: Path) -> None:
        (warning,) = HF.settings([*COMMAND, "--save_total_limit", "1"], tmp_path).warnings
        assert "keep 2 or more" in warning

    def test_it_is_never_guessed(self) -> None:
        assert not HF.recognises(["python", "run_clm.py", "--output_dir", "out"])

    @pytest.mark.parametrize(
        "resume",
        [
            ResumeTemplate(arguments=["--r", "{checkpoint}"], glob="checkpoint-{step}/"),
            ResumeTemplate(arguments=["--r", "{checkpoint}"], complete=["a"]),
            ResumeTemplate(arguments=["--r", "{epoch}"]),
        ],
    )
    def test_what_it_knows_or_cannot_tell_is_not_declared(self, resume: ResumeTemplate) -> None:
        with pytest.raises(ConfigurationError):
            HF.declared(resume)


def test_weights_alone_at_the_end_are_no_checkpoint(tmp_path: Path) -> None:
    make_weights(tmp_path / "model.safetensors")
    assert HF.find(tmp_path, None) == []


def test_a_configuration_that_is_a_list(tmp_path: Path) -> None:
    """As sentence-transformers has one in every checkpoint."""
    made = make(tmp_path, 500, ("modules.json", *WRITE_ORDER))
    write_json(made / "modules.json", [{"idx": 0, "name": "0", "path": "", "type": "models.Transformer"}])
    assert fault(made) == ""
    cut(made / "modules.json", 20)
    assert fault(made) == f"{made / 'modules.json'}: is not JSON: the save was cut short"


def test_a_configuration_that_was_cut_short(tmp_path: Path) -> None:
    """Resuming reads it, and dies of it."""
    made = make(tmp_path, 500, ("config.json", *WRITE_ORDER))
    assert fault(made) == ""
    cut(made / "config.json", 0)
    assert fault(made) == f"{made / 'config.json'}: is not JSON: the save was cut short"
