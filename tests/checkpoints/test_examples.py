from pathlib import Path

from tests.checkpoints.making import WRITTEN_AT, make_torch
from tests.conftest import REPOSITORY
from trainwarden import config
from trainwarden.checkpoints import RECIPES
from trainwarden.checkpoints.catalog import Catalog, newest_valid


def test_the_example_for_plain_pytorch_finds_and_resumes(tmp_path: Path) -> None:
    run = config.load(REPOSITORY / "examples/torch.yml").runs["luca"]
    assert run.recipe and run.resume and run.command
    recipe = RECIPES[run.recipe].declared(run.resume)
    for step in (100, 200):
        make_torch(tmp_path / f"ckpt-{step}.pt")
    newest = newest_valid(Catalog(recipe, tmp_path, None, 5.0).list(WRITTEN_AT + 60))
    assert newest is not None and newest.step == 200
    resumed = recipe.resume_command(run.command, tmp_path, newest)
    assert resumed == [*run.command, "--resume", str(tmp_path / "ckpt-200.pt")]
