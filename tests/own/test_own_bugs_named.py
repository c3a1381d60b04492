"""A few rows of `python -m benchmarks.own_bugs`: the seed's bugs in a class of one's own, named as in the core."""

import pytest

from benchmarks import own_bugs

FAST = (
    *("BP1 cost value", "BP2 no derivative", "sign of the biases only", "rebinds weights only"),
    *("argmax(out, axis=1) of a column", "W2 reshaped, batch 10", "softmax over the samples, batch 10"),
)
ROWS = {row.name: row for row in own_bugs.ROWS}


@pytest.mark.filterwarnings("ignore:nndebug. watching your object failed")
@pytest.mark.parametrize("name", FAST)
def test_a_bug_is_named_as_in_the_core(name):
    right, cause, verdict = own_bugs.judged(ROWS[name])
    assert right, (cause, verdict)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:nndebug. ")
def test_nine_of_ten_silent_bugs_are_named():
    found = [own_bugs.judged(row)[0] for row in own_bugs.ROWS if not row.healthy]
    assert sum(found) >= 0.9 * len(found)
