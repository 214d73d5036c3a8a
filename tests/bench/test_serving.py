"""The load test runs, so that it can't rot; what it tells is for a quiet machine."""

from itertools import islice

import pytest

from bench.serving import (
    DIFFERENT,
    ECHO,
    FIXED,
    SEEN,
    Failure,
    Subject,
    all_different,
    idle_table,
    measured,
    running,
    served_table,
    subjects,
)

pytestmark = pytest.mark.unmeasured

SUBJECTS = {subject.name: subject for subject in subjects(webhook=True)}


@pytest.mark.parametrize("name", ["aiohttp by hand", f"{ECHO}, webhook"])
async def test_a_bot_is_measured(name, tmp_path):
    """It is asked by polling or by webhook, in every setting, and idle."""
    result = await measured(SUBJECTS[name], tmp_path, seconds=0.3, starts=1)
    assert list(result.served) == [SEEN, DIFFERENT, FIXED]
    assert all(each.timing.latencies for each in result.served.values())
    assert len(result.served[FIXED].timing.latencies) == 9
    results = {ECHO: result}
    assert served_table(results).count("×1 ") == 3  # noqa: RUF001
    assert result.idle.megabytes > 1
    assert idle_table(results).splitlines()[-1].startswith(f"| {ECHO} | ")


async def test_a_bot_that_ends_is_told(tmp_path):
    """The failure holds its last words."""
    broken = Subject("broken", ("-c", "raise SystemExit('no money')"), {})
    with pytest.raises(Failure, match="no money"):
        async with running(broken, tmp_path):
            pass


def test_questions_differ():
    """Thousands are asked without asking one twice."""
    questions = list(islice(all_different(), 5000))
    assert len({*questions}) == 5000
