"""The schedule against the sentences of its description, and `next_due` against `tier`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nndebug.errors import UserError
from nndebug.schedule import Schedule

SCHEDULES = st.builds(
    Schedule,
    interval=st.integers(1, 60),
    dense=st.integers(0, 60),
    tier1=st.integers(1, 90),
    thin_after=st.integers(0, 400),
    thin_interval=st.integers(1, 300),
    thin=st.integers(1, 300),
    probes=st.integers(0, 70),
    probe_start=st.integers(1, 100),
)


def test_the_tiers_as_described():
    tier = Schedule().tier
    assert [tier(k) for k in range(50)] == [1] * 50
    assert [k for k in range(50, 120) if tier(k) == 1] == [50, 100]
    assert [k for k in range(50, 120) if tier(k) == 0] == [60, 70, 80, 90, 110]
    assert [k for k in range(900, 5001) if tier(k) == 1] == [900, 950, 1000, 2500, 5000]
    assert [k for k in range(960, 1900) if tier(k) == 0] == [960, 970, 980, 990, 1250, 1500, 1750]
    assert tier(1051) is None


def test_interval_1_records_every_step():
    schedule = Schedule(interval=1, thin_interval=1)
    assert all(schedule.tier(k) is not None for k in range(5000))
    assert [schedule.next_due(k) for k in (0, 77, 2001)] == [0, 77, 2001]


def test_the_probed_states():
    schedule = Schedule()
    due = [k for k in range(2000) if schedule.probe_due(k)]
    assert due == [*range(21), 50, 100, 200, 400, 800, 1600]


@given(SCHEDULES, st.integers(0, 700))
def test_next_due_is_the_first_step_that_is_due(schedule, step):
    due = schedule.next_due(step)
    assert due >= step
    assert schedule.tier(due) is not None
    assert all(schedule.tier(k) is None for k in range(step, due))


@given(SCHEDULES, st.integers(0, 700))
def test_next_probe_is_the_first_probe(schedule, step):
    due = schedule.next_probe(step)
    assert due >= step
    assert schedule.probe_due(due)
    assert not any(schedule.probe_due(k) for k in range(step, due))


@pytest.mark.parametrize("name", ["interval", "tier1", "thin_interval", "thin", "probe_start"])
def test_an_interval_below_one_step_is_refused(name):
    with pytest.raises(UserError, match=f"{name} must be at least 1 step, got 0") as caught:
        Schedule(**{name: 0})
    assert f"{name}=1" in caught.value.help
