from trainwarden.checkpoints.arguments import number, options, text, without

SWITCHES = frozenset({"save_state"})


def test_options_are_read_in_both_spellings_and_the_last_counts() -> None:
    words = ["--a", "1", "--b=2", "--save_state", "--c=x=y", "--a", "3", "--network_args", "k=1", "k=2"]
    assert options(words, SWITCHES) == {"a": "3", "b": "2", "save_state": True, "c": "x=y", "network_args": "k=1"}


def test_dashes_within_a_name_are_underscores() -> None:
    assert options(["--output-dir", "out-a", "--max-steps=5"]) == {"output_dir": "out-a", "max_steps": "5"}
    assert without(["--output-dir", "out", "--x"], {"output_dir"}) == ["--x"]


def test_a_known_switch_takes_no_value() -> None:
    assert without(["--save_state", "word", "--y"], {"save_state"}, SWITCHES) == ["word", "--y"]
    assert without(["--save_state", "word", "--y"], {"save_state"}) == ["--y"]


def test_values_are_read_under_the_first_name_that_has_one() -> None:
    given = options(["--trainer.max_steps", "x", "--max_steps", "7", "--fast"])
    assert text(given, "fast", "trainer.max_steps") == "x"
    assert number(given, "max_steps") == 7
    assert number(given, "trainer.max_steps") is None
