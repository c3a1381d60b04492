"""Thinning, axes, texts: properties that hold for any series."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nndebug import rules
from nndebug.report import charts, plots, text
from nndebug.report.model import Chart, Line, Reference
from nndebug.report.svg import chart_svg, free_place
from nndebug.report.vocabulary import Quantity, quantity

RULES = Path(rules.__file__).parent
EVIDENCE = [
    name
    for path in RULES.glob("*.py")
    for name in re.findall(r'\{"name": "([a-z_.]+)", "site"', path.read_text())
]

series = hnp.arrays(
    float,
    st.integers(1, 3000),
    elements=st.floats(-1e6, 1e6) | st.just(np.nan) | st.just(np.inf),
    fill=st.nothing(),
)


@settings(max_examples=25, deadline=None)
@given(series, st.booleans(), st.integers(20, 400))
def test_thinning_keeps_extremes_ends_and_order(values, log, most):
    steps = np.arange(len(values)) * 7
    x, y = charts.thin(steps, values, log, most)
    assert len(x) <= most * 1.5 + 2
    assert np.all(np.diff(x) > 0)
    assert np.array_equal(y, values[np.isin(steps, x)], equal_nan=True)
    assert (x[0], x[-1]) == (steps[0], steps[-1])
    finite = values[np.isfinite(values)]
    if finite.size:
        assert np.nanmax(np.where(np.isfinite(y), y, -np.inf)) == finite.max()
        assert np.nanmin(np.where(np.isfinite(y), y, np.inf)) == finite.min()
    assert np.isfinite(y).all() == np.isfinite(values).all()


@settings(max_examples=150, deadline=None)
@given(
    hnp.arrays(float, st.integers(1, 30), elements=st.floats(width=64)),
    st.floats(-1e300, 1e300),
    st.booleans(),
    st.booleans(),
)
def test_axes_hold_what_is_drawn(values, reference, hint, share):
    low, high, log = charts.bounds(values, np.array([reference]), hint, share)
    assert np.isfinite([low, high]).all()
    assert low < high
    axis = charts.value_axis(low, high, log, share)
    assert len(axis.ticks) <= 12
    assert all(low <= value <= high for value, _ in axis.ticks)
    labels = [label for _, label in axis.ticks]
    assert len(set(labels)) == len(labels) or high - low < 1e-9 * max(abs(low), abs(high))
    for value in values[np.isfinite(values)]:
        assert 0 <= axis.place(value) <= 1
    assert axis.place(low) == 0
    assert axis.place(high) == 1


def test_beside_a_reference_a_wobble_stays_a_wobble():
    values = np.array([2.302, 2.306, 2.304])
    low, high, log = charts.bounds(values, np.array([2.3026]), False, False)
    assert not log
    assert high - low > 0.1 * 2.3
    low, high, _ = charts.bounds(values, np.array([]), False, False)
    assert high - low < 0.01  # by itself it may fill the chart


def test_a_step_axis_has_a_place_for_step_zero():
    axis = charts.step_axis(0, 40_000, log=True)
    assert [label for _, label in axis.ticks] == ["0", "1", "10", "100", "1k", "10k"]
    assert axis.place(0) == 0
    assert axis.place(1) == pytest.approx(np.log10(2) / np.log10(40_001))


def test_ticks_that_differ_read_differently():
    axis = charts.value_axis(2.295, 2.315, log=False)
    assert [label for _, label in axis.ticks] == ["2.295", "2.300", "2.305", "2.310", "2.315"]
    assert [label for _, label in charts.value_axis(0, 2.1, log=False).ticks] == [
        "0",
        "0.5",
        "1.0",
        "1.5",
        "2.0",
    ]


def test_values_that_are_not_finite_are_gaps_with_a_mark():
    curve = plots.Curve("hidden1", np.arange(5), np.array([1.0, 2.0, np.nan, 4.0, np.inf]))
    chart = plots.chart("c", "Loss", quantity("probe.loss"), [curve], references=[Reference(np.nan, "none")])
    assert chart.lines[0].y == (1.0, 2.0, None, 4.0, None)
    assert chart.not_finite[0].label == "hidden1: NaN at step 2"
    assert chart.references == ()
    drawn = str(chart_svg(chart))
    assert drawn.count("<circle") == 1  # the lonely 4.0 between two gaps
    assert "✕ hidden1: NaN at step 2" in drawn
    assert "nan" not in drawn.replace("NaN", "").lower()


def test_a_chart_of_nothing_is_none():
    assert (
        plots.chart("c", "Loss", quantity("probe.loss"), [plots.Curve("x", np.array([], int), np.array([]))])
        is None
    )


def test_what_is_below_a_log_axis_is_said():
    values = np.concatenate([np.logspace(0, -8, 60), [0.0]])
    chart = plots.chart("c", "g", quantity("gradient.norm"), [plots.Curve("x", np.arange(61), values)])
    assert chart.y_log
    assert chart.how.endswith("on the bottom edge.")


def test_the_trend_is_the_median():
    steps = np.arange(10_000)
    values = np.where(steps % 2, 1.0, 3.0)
    values[::10] = 50.0
    line = charts.trend(steps, values, log=False)
    assert 50 <= len(line) <= 62
    assert {y for _, y in line} <= {1.0, 2.0, 3.0}


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0"), (0.0123, "0.0123"), (6.2, "6.2"), (40000, "40,000"), (1.2e-7, "1.2e-7"), (1e-4, "1e-4"), (13.27, "13.3"), (float("nan"), "NaN"), (-float("inf"), "-∞"), (None, "–"), (2.5e9, "2.5e9"), (0.45, "0.45"), (123.4, "123")],
)  # fmt: skip
def test_numbers(value, shown):
    assert text.number(value) == shown


@pytest.mark.parametrize(
    ("message", "parts"),
    [
        ("11 of 30 units never fire: 8 since step 1", ("11 of 30 units never fire", ":", "8 since step 1")),
        ("moved by 6.2 deviations (healthy: below 4)", ("moved by 6.2 deviations", "", "(healthy: below 4)")),
        (
            "class 1 is 100 % of the predictions, 11 % of the labels",
            ("class 1 is 100\u00a0% of the predictions, 11\u00a0% of the labels", "", ""),
        ),
        ("short", ("short", "", "")),
    ],
)
def test_the_lead_of_a_message(message, parts):
    assert text.split_lead(message) == parts


def test_steps_in_words():
    assert text.steps_range(None, None) == ""
    assert text.steps_range(0, 0) == "step 0"
    assert text.steps_range(94, 200, 40_000) == "steps 94 to 200"
    assert text.steps_range(1_500, 40_000, 40_000) == "from step 1,500"


@given(st.text(st.characters(codec=None), max_size=400), st.integers(1, 100))
def test_clean_is_short_printable_and_idempotent(raw, limit):
    cleaned = text.clean(raw, limit)
    assert len(cleaned) <= limit
    assert cleaned.encode("utf-8") is not None
    assert "\n" not in cleaned
    assert text.clean(cleaned, limit) == cleaned


@pytest.mark.parametrize("name", sorted(set(EVIDENCE)))
def test_every_chart_of_a_finding_has_a_unit_and_says_how_to_read_it(name):
    known = quantity(name)
    assert known.unit != "value" and known.how != "As recorded."


def test_every_recorded_name_reads_as_words():
    assert quantity("probe.preactivation.std").title == "Spread of the pre-activations"
    assert quantity("my.own_thing") == Quantity("My own thing", "value", "As recorded.")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((9, 9, 9, 9, 9), ("end", False)),  # nothing near: the right end, above
        ((9, 9, 5, 5, 5), ("end", False)),  # along the line itself: the words stand above it
        ((9, 9, 9, 5.8, 5.8), ("end", True)),
        ((5.8, 9, 9, 4.2, 5.8), ("start", True)),
        ((4.2, 5.8, 9, 5.8, 4.2), ("middle", True)),
    ],
)
def test_the_label_of_a_line_hides_no_curve(values, expected):
    curve = Line("loss", x=(0, 1, 2, 3, 4), y=tuple(map(float, values)))
    chart = Chart(
        "loss", "Loss", "loss", "", (curve,), 0.0, 10.0, 0.0, 4.0, references=(Reference(5.0, "chance"),)
    )
    assert free_place(chart, *plots.axes(chart), 0.5, "knowing only the classes") == expected


@pytest.mark.parametrize(("first", "log"), [(0, True), (99, True), (100, False), (400, False)])
def test_less_than_a_decade_of_steps_is_on_a_linear_axis_with_names(first, log):
    steps = np.arange(first, 1_001, 50)
    drawn = plots.chart("c", "Loss", quantity("loss"), [plots.Curve("loss", steps, 1.0 + steps)])
    assert drawn.x_log == log
    assert len(plots.axes(drawn)[0].ticks) >= 3
