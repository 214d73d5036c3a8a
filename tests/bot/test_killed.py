"""The whole process, killed by SIGKILL again and again: every question is answered, and hardly any twice.

`python -m bench.killed` does so fifty times, under 2,000 questions.
"""

import pytest

from bench.killed import killed


@pytest.mark.parametrize("webhook", [False, True], ids=["polling", "webhook"])
@pytest.mark.timeout(180)  # a process is started four times
async def test_a_bot_that_is_killed_answers_every_question_and_hardly_any_twice(webhook):
    outcome = await killed(questions=90, kills=3, webhook=webhook)
    assert outcome.unanswered == 0
    assert outcome.repeats <= 3  # one a kill, on a busy machine; bench/killed.py measures one in five
