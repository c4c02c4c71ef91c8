"""The receiver SIGKILLed before and after every line of its ledger, and what the training does meanwhile: all real.

Whatever happens: never two generations at once, each launched once, never one from zero, counted from /proc; and in the
end the weights of an undisturbed training, or the end that its user wanted.
"""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import product

import pytest

from tests.matrix.hang import MEANWHILE, STAGES, Case, End, live
from tests.support.census import Census
from tests.support.nvml import FakeDriver
from trainwarden.stack.tools import Tools

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(1500)]

AT_ONCE = 6
"""A case mostly waits."""
CASES = [Case(*case) for case in product(MEANWHILE, STAGES, ("before", "after"))]


@pytest.fixture(scope="module")
def census() -> Iterator[Census]:
    with Census() as census:
        yield census


@pytest.fixture(scope="module")
def ends(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    tools: Tools,
    nvml_library: object,
    census: Census,
) -> Iterator[dict[Case, Future[End]]]:
    """Every case that was asked for, a few at once."""
    root = tmp_path_factory.mktemp("matrix")
    driver = FakeDriver(nvml_library, root / "nvml.script", gpus=1)  # type: ignore[arg-type]
    driver.set(0, utilization=0)
    asked = [item.callspec.params.get("case") for item in request.session.items if hasattr(item, "callspec")]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        cases = [case for case in asked if isinstance(case, Case)]
        yield {case: pool.submit(live, case, root / str(case), tools, driver) for case in cases}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_whatever_happens_about_whatever_line(
    case: Case, ends: dict[Case, Future[End]], census: Census, undisturbed: bytes
) -> None:
    end = ends[case].result()
    census.settle()
    generations = [generation for generation, _ in census.commands(end.run_id)]
    assert all(len(together) == 1 for together in census.together(end.run_id)), "two generations at once"
    assert generations == sorted(set(generations)), "a generation was launched twice"
    assert all(b"--resume" in line for number, line in census.commands(end.run_id) if number > 1), "from zero"
    if case.meanwhile == "stopped by hand" and end.outcome != "finished":
        assert end.exit_code != 0
        assert end.outcome in ("stopped_by_user", "stopped_for_restart")
        return
    assert (end.exit_code, end.outcome) == (0, "finished")
    assert end.weights == undisturbed, "not where an undisturbed training arrives"
    if case.meanwhile == "nothing":
        assert (generations, end.launched) == ([1, 2], [2])
    if case.meanwhile in ("recovered", "finished") and STAGES.index(case.stage) < STAGES.index("stopping"):
        assert generations == [1], "what trains again is let go"
