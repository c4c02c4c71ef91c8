"""`trainwarden run` as it is typed: what is mistyped is not taken for the training."""

from click.testing import CliRunner

from trainwarden.cli import main


def test_a_mistyped_option_is_not_taken_for_the_program() -> None:
    result = CliRunner().invoke(main, ["run", "luca", "--detatch", "--", "sleep", "1"])
    assert result.exit_code == 2
    assert "No such option" in result.stderr
    assert "--detatch" in result.stderr


def test_the_options_of_the_training_are_its_own() -> None:
    result = CliRunner().invoke(main, ["run", "luca", "--", "no-such-trainer", "--detach", "--cwd", "/nowhere"])
    assert "command not found: 'no-such-trainer'" in result.stderr
