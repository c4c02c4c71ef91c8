"""A run that would save where another one does that is under way: neither could be restarted safely."""

from pathlib import Path

import pytest
from msgspec import structs

from tests.supervise.conftest import Runs, stop, until_closed
from trainwarden.config import Config, RunConfig
from trainwarden.errors import ConfigurationError
from trainwarden.launching import DockerOptions, Launching
from trainwarden.model import ResumeTemplate, RunSpec
from trainwarden.runs.attendance import KEEPER_LOCK
from trainwarden.runs.folder import RunFolder
from trainwarden.supervise import detach, plan

KOHYA = ["/bin/true", "train_network.py", "--output_dir", "out", "--output_name"]


def torch(glob: str) -> dict[str, object]:
    resume = ResumeTemplate(arguments=["{checkpoint}"], glob=glob)
    return {"recipe": "torch", "checkpoints": "out", "resume": resume}


DOCKER = Launching(docker=DockerOptions(container="trainer"))


def planned(cwd: Path, command: list[str], **entry: object) -> RunSpec:
    config = Config(runs={"mira": RunConfig(**entry)})  # type: ignore[arg-type]
    return plan.plan("mira", command=command, config=config, options=plan.Options(cwd=str(cwd))).spec


@pytest.fixture
def cwd(state_home: Path, tmp_path: Path) -> Path:
    return tmp_path


def under_way(cwd: Path, command: list[str], **entry: object) -> RunFolder:
    """The folder of the run luca, planned as mira would be."""
    spec = planned(cwd, command, **entry)
    folder = RunFolder("luca")
    folder.create()
    folder.write_spec(structs.replace(spec, name="luca"))
    return folder


@pytest.mark.parametrize(
    ("luca", "mira", "thing"),
    [
        (([*KOHYA, "lora"], {}), ([*KOHYA, "lora"], {}), "the checkpoints 'lora' in {cwd}/out"),
        (([*KOHYA, "lora"], {"nodes": 2}), ([*KOHYA, "lora"], {}), "the checkpoints 'lora' in {cwd}/out"),
        (
            (["/bin/true"], {"recipe": "hf", "checkpoints": "out"}),
            (["/bin/true"], {"recipe": "hf", "checkpoints": "link", "output_name": "other"}),
            "the checkpoints in {cwd}/out",
        ),
        ((["/bin/true"], {"launcher": DOCKER}), (["/bin/true"], {"launcher": DOCKER}), "container 'trainer'"),
    ],
    ids=["kohya", "beside one that is only watched", "hf through a link", "container"],
)
def test_what_a_run_under_way_has_is_refused_until_its_end(
    cwd: Path, luca: tuple[list[str], dict[str, object]], mira: tuple[list[str], dict[str, object]], thing: str
) -> None:
    (cwd / "out").mkdir()
    (cwd / "link").symlink_to("out")
    folder = under_way(cwd, luca[0], **luca[1])
    planned(cwd, mira[0], **mira[1])
    with detach.lock(folder.path / KEEPER_LOCK), pytest.raises(ConfigurationError) as refused:
        planned(cwd, mira[0], **mira[1])
    assert str(refused.value) == (
        f"run 'mira': run 'luca', which is under way, has {thing.format(cwd=cwd)} too, so that a restart of one would "
        "hit the other; give each its own, or wait for its end"
    )


@pytest.mark.parametrize(
    ("luca", "mira"),
    [
        (([*KOHYA, "luca"], {}), ([*KOHYA, "mira"], {})),
        (([*KOHYA, "lora"], {"nodes": 2}), ([*KOHYA, "lora"], {"nodes": 2})),
        ((["/bin/true"], {"checkpoints": "out"}), (["/bin/true"], {"checkpoints": "out"})),
        ((["/bin/true"], torch("a-*.pt")), (["/bin/true"], torch("b-*.pt"))),
    ],
    ids=["kohya by another name", "one training on two nodes", "never resumed", "torch by another glob"],
)
def test_a_folder_may_be_shared_where_no_restart_would_hit_another(
    cwd: Path, luca: tuple[list[str], dict[str, object]], mira: tuple[list[str], dict[str, object]]
) -> None:
    folder = under_way(cwd, luca[0], **luca[1])
    with detach.lock(folder.path / KEEPER_LOCK):
        planned(cwd, mira[0], **mira[1])


@pytest.mark.usefixtures("nothing_left")
def test_the_same_training_twice_is_not_launched(runs: Runs) -> None:
    luca = runs.start(runs.demo("--step_seconds", "0.2"))
    with pytest.raises(ConfigurationError, match=r"run 'mira': run 'luca', which is under way, has the checkpoints"):
        runs.start(runs.demo(), name="mira")
    assert not RunFolder("mira").path.exists()
    stop(luca, final=True)
    until_closed(luca)
