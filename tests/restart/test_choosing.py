"""Which checkpoint of several a restart goes on from."""

from pathlib import Path

from msgspec.structs import replace

from tests.restart.world import WALL, World
from trainwarden.supervise.launch import found_at_launch


def test_states_from_before_the_launch_are_not_chosen_though_a_lagging_clock_makes_them_look_younger(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    world.save(8, age=4000)
    world.spec = replace(world.spec, created_at=WALL - 5000, found_at_launch=found_at_launch(world.spec))
    world.folder.write_spec(world.spec)
    world.save(2, age=1000)
    choice = world.desk().chooser.look(world.wall)
    assert choice.checkpoint is not None and choice.checkpoint.epoch == 2
    assert "an earlier run wrote it" in choice.passed_over[0]
    assert [Path(path).name for path in choice.overwrites] == ["luca-000008-state"]


def test_a_run_that_went_back_goes_on_from_there_and_not_from_what_was_thrown_away(tmp_path: Path) -> None:
    world = World(tmp_path)
    for epoch in (2, 4, 6, 8):
        world.save(epoch, age=9000)
    back = ["--resume", str(world.checkpoints / "luca-000004-state"), "--initial_epoch", "5"]
    spec = replace(world.spec, command=[*world.spec.command, *back])
    world.spec = replace(spec, found_at_launch=found_at_launch(spec))
    world.folder.write_spec(world.spec)
    first = world.desk().chooser.look(world.wall).checkpoint
    assert first is not None and first.epoch == 4
    world.save(5, age=100)
    then = world.desk().chooser.look(world.wall).checkpoint
    assert then is not None and then.epoch == 5


def test_what_the_resumed_trainer_will_write_over_and_what_it_will_rotate_away_is_told(tmp_path: Path) -> None:
    options = ["--output_dir=out", "--save_every_n_epochs=2", "--save_last_n_epochs=2", "--max_train_epochs=12"]
    world = World(tmp_path)
    world.spec = replace(world.spec, command=[*world.spec.command, *options])
    world.folder.write_spec(world.spec)
    for epoch in (2, 4, 6):
        world.save(epoch, age=9000 - epoch)
    (world.save(8) / "optimizer.bin").write_bytes(b"")
    chooser = world.desk().chooser
    choice = chooser.look(world.wall)
    assert [Path(path).name for path in choice.overwrites] == ["luca-000008-state"]
    assert [Path(path).name for path in chooser.rotates(choice)] == ["luca-000004-state", "luca-000006-state"]
    assert choice.free_bytes
