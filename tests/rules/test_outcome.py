import pytest

from nndebug.rules.outcome import Outcome, outcome

from .runs import make_run


@pytest.mark.parametrize(
    ("last", "expected"),
    [(0.224, Outcome.LEARNED), (0.226, Outcome.UNDECIDED), (0.4, Outcome.UNDECIDED), (0.41, Outcome.FAILED)],
)
def test_half_of_chance_is_learned_and_nine_tenths_is_failed(last, expected):
    values = [0.45, 0.45, 0.45, 0.45, 0.45, 0.45, 0.45, last]
    assert outcome(make_run({("run", "probe.loss"): values})) is expected
