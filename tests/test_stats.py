"""Statistics against NumPy and SciPy, and merging in any order."""

import functools
import json
import operator
import warnings

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats as scipy_stats

from nndebug.stats import BINS, ExponentHistogram, Moments, UnitActivity
from nndebug.strict_json import decode, encode, revive

FLOATS = st.floats(-1e100, 1e100).map(lambda x: x if abs(x) > 1e-100 else 0.0)
ARRAYS = hnp.arrays(np.float64, st.integers(0, 40), elements=FLOATS)


def assert_equals_numpy(moments, values, relative):
    """Against NumPy in double precision, relative to the root mean square, which no formula can improve on."""
    values = np.asarray(values, np.float64)
    scale = (
        np.sqrt(np.mean(np.square(values / np.abs(values).max()))) * np.abs(values).max()
        if values.any()
        else 0.0
    )
    assert moments.count == values.size
    assert moments.mean == pytest.approx(np.mean(values), abs=relative * scale, rel=relative)
    assert moments.std == pytest.approx(np.std(values), abs=relative * scale, rel=relative)
    assert moments.norm == pytest.approx(np.linalg.norm(values), rel=relative)
    assert (moments.minimum, moments.maximum) == (values.min(), values.max())
    assert moments.zero_share == np.mean(values == 0)


@pytest.mark.parametrize("size", [1, 2, 300, 4096, 4097, 23_520, 100_000])
@pytest.mark.parametrize(
    ("mean", "spread"),
    [(0, 1), (0.5, 0.1), (1e6, 1), (-3, 1e-4), (0, 1e-9), (0, 1e-25), (1e15, 1e14), (0, 1e30)],
)
def test_moments_equal_numpy(size, mean, spread):
    values = np.random.default_rng(size).normal(mean, spread, size)
    assert_equals_numpy(Moments.of(values), values, 1e-12)
    # SciPy's variance is unbiased, ours describes the entries.
    if size > 1:
        described = scipy_stats.describe(values)
        assert Moments.of(values).std ** 2 * size / (size - 1) == pytest.approx(described.variance, rel=1e-9)
    with np.errstate(over="ignore"):
        single = values.astype(np.float32)
    assert_equals_numpy(Moments.of(single), single, 1e-5)
    if np.ptp(single) > 0:
        assert Moments.of(single).std == pytest.approx(np.std(single, dtype=np.float64), rel=1e-4)


@pytest.mark.parametrize("value", [0.1, 1 / 3, -7.0, 1e-30, 0.0])
def test_equal_entries_have_no_spread(value):
    moments = Moments.of(np.full(50_000, value, np.float32))
    assert moments.std == 0
    assert moments.mean == np.float32(value)


def test_float32_sums_do_not_drift():
    # Adding 400,000 equal squares in single precision would be off by 7e-5.
    values = np.tile(np.float32([0.3, -0.3]), 200_000)
    assert Moments.of(values).norm == pytest.approx(np.linalg.norm(values.astype(np.float64)), rel=3e-6)


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint64, np.float16, np.longdouble, ">f4"])
def test_other_dtypes(dtype):
    values = np.array([[0, 1, 3], [0, 5, 1]]).astype(dtype)
    assert_equals_numpy(Moments.of(values), values.astype(np.float64).ravel(), 1e-12)


def test_views_in_any_memory_order_are_left_alone():
    values = np.random.default_rng(0).normal(size=(30, 40)).astype(np.float32)
    values.setflags(write=False)
    for view in (values.T, values[::2, ::3], np.asfortranarray(values), values[:, None, ::-1]):
        assert_equals_numpy(Moments.of(view), np.asarray(view, np.float64).ravel(), 1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "values",
    [
        [np.nan, 1, 2, np.inf, -np.inf],
        [np.nan, np.nan],
        [-np.inf, 0.0],
        [],
        [3e38, -3e38, 3e38],
        [1e-45, 0, -1e-45],
        [1e-40, 1.0, 1e30],
    ],
)
def test_nothing_warns_and_nonfinite_entries_are_counted_apart(values, dtype):
    array = np.array(values, dtype)
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        moments = Moments.of(array)
        total = Moments()
        total.add(array)
        total.merge(moments)
    finite = array[np.isfinite(array)].astype(np.float64)
    assert moments.nonfinite == len(values) - finite.size
    assert moments.count == finite.size
    if finite.size:
        assert_equals_numpy(moments, finite, 1e-6)
    else:
        assert np.isnan(
            [moments.mean, moments.std, moments.minimum, moments.maximum, moments.zero_share]
        ).all()
        assert np.isnan(moments.norm) if values else moments.norm == 0


def test_float64_extremes_do_not_warn():
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        assert Moments.of(np.array([-1.7e308, 1.7e308])).count == 2
        assert Moments.of(np.array([1e-300, 3e-300])).mean == pytest.approx(2e-300)


@given(st.lists(ARRAYS, min_size=1, max_size=6), st.randoms())
def test_moments_merge_in_any_order(parts, random):
    whole = np.concatenate(parts)
    assume(whole.size)
    order = parts.copy()
    random.shuffle(order)
    split = random.randint(0, len(order))
    # A tree of merges, not only a chain.
    halves = [
        functools.reduce(operator.add, map(Moments.of, half), Moments())
        for half in (order[:split], order[split:])
    ]
    assert_equals_numpy(halves[0] + halves[1], whole, 1e-12)
    added = Moments()
    for part in parts:
        added.add(part)
    assert_equals_numpy(added, whole, 1e-12)


def test_adding_leaves_both_terms_alone():
    a, b = Moments.of(np.arange(3.0)), Moments.of(np.arange(5.0))
    before = a.to_json(), b.to_json()
    assert (a + b).count == 8
    assert (a.to_json(), b.to_json()) == before


@pytest.mark.parametrize("values", [[1.0, 2.0, 0.0], [], [np.nan]])
def test_moments_round_trip_through_strict_json(values):
    moments = Moments.of(np.array(values))
    again = Moments.from_json(json.loads(encode(moments.to_json())))
    assert repr(again) == repr(moments)
    assert repr(Moments.from_json(revive(decode(encode(moments.to_json()))))) == repr(moments)


def test_summary_has_the_names_that_rows_store():
    summary = Moments.of(np.array([3.0, 4.0])).summary("gradient.")
    assert summary == {
        "gradient.mean": 3.5,
        "gradient.std": 0.5,
        "gradient.minimum": 3.0,
        "gradient.maximum": 4.0,
        "gradient.norm": 5.0,
        "gradient.zero_share": 0.0,
    }


# --- histograms


@given(
    hnp.arrays(
        np.float64, st.integers(0, 60), elements=st.floats(allow_nan=True, allow_infinity=True, width=64)
    )
)
def test_every_value_lies_between_the_edges_of_its_bin(values):
    histogram = ExponentHistogram.of(values)
    edges = histogram.edges
    assert len(edges) == BINS - 2
    assert histogram.total + histogram.nonfinite == histogram.counts.sum() == len(values)
    assert histogram.counts[-3:].tolist() == [
        np.sum(values == -np.inf),
        np.sum(values == np.inf),
        np.sum(np.isnan(values)),
    ]
    finite = np.sort(values[np.isfinite(values)])
    places = np.repeat(np.arange(len(histogram.ordered)), histogram.ordered)
    assert (edges[places] <= finite).all()
    assert (finite <= edges[places + 1]).all()
    zeros = finite == 0
    assert (edges[places[zeros]] == 0).all()
    assert (edges[places[zeros] + 1] == 0).all()
    assert (edges[places[~zeros]] != edges[places[~zeros] + 1]).all()


def test_positive_counts_equal_numpys_histogram():
    values = np.random.default_rng(0).lognormal(0, 5, 50_000).astype(np.float32)
    histogram = ExponentHistogram.of(values)
    edges = histogram.edges
    positive = edges[edges > 0][:-1]
    expected = np.histogram(values, positive)[0]
    assert histogram.ordered[-1 - len(expected) : -1].tolist() == expected.tolist()
    assert np.array_equal(ExponentHistogram.of(-values).ordered, histogram.ordered[::-1])


@given(st.lists(ARRAYS, min_size=1, max_size=5), st.randoms())
def test_histograms_merge_exactly_in_any_order(parts, random):
    whole = ExponentHistogram.of(np.concatenate(parts))
    random.shuffle(parts)
    merged = ExponentHistogram()
    for part in parts:
        merged.merge(ExponentHistogram.of(part))
    assert np.array_equal(merged.counts, whole.counts)
    assert np.array_equal((merged + whole).counts, 2 * whole.counts)


@given(hnp.arrays(np.float64, st.integers(1, 80), elements=FLOATS), st.floats(0, 1))
def test_quantiles_are_within_their_stated_error(values, q):
    exact = np.quantile(values, q, method="inverted_cdf")
    got = ExponentHistogram.of(values).quantile(q)
    if abs(exact) > 2.0**40:
        assert got == np.sign(exact) * 2.0**40
    else:
        assert abs(got - exact) <= max(0.25 * abs(exact), 2.0**-40)
        assert np.sign(got) == np.sign(exact)


def test_a_quantile_of_nothing_and_out_of_range():
    assert np.isnan(ExponentHistogram.of(np.array([np.nan])).quantile(0.5))
    with pytest.raises(ValueError, match="between 0 and 1"):
        ExponentHistogram().quantile(1.5)


def test_rebinning_keeps_the_total_and_is_near_numpys_histogram():
    values = np.random.default_rng(1).normal(size=20_000)
    values[:3000] = 0
    edges = np.linspace(-5, 5, 21) + 0.1
    counts = ExponentHistogram.of(values).rebin(edges)
    assert counts.sum() == pytest.approx(len(values))
    assert np.abs(counts - np.histogram(values, edges)[0]).max() < 0.02 * len(values)
    assert ExponentHistogram.of(np.array([1e20])).rebin(np.array([0, 2.0**41])).sum() == 1


def test_histograms_round_trip_and_refuse_other_counts():
    histogram = ExponentHistogram.of(np.array([0, 1, -1, 1e-50, np.nan, np.inf]))
    assert histogram.to_array().dtype == np.int64
    assert np.array_equal(ExponentHistogram.from_array(histogram.to_array()).counts, histogram.counts)
    again = ExponentHistogram.from_json(json.loads(json.dumps(histogram.to_json())))
    assert np.array_equal(again.counts, histogram.counts)
    with pytest.raises(ValueError, match="whole counts"):
        ExponentHistogram.from_array(np.zeros(BINS))
    with pytest.raises(ValueError, match="whole counts"):
        ExponentHistogram.from_array(np.zeros(3, np.int64))


# --- units


def test_activity_counts_samples_and_remembers_the_last_step():
    activity = UnitActivity.of_units(3)
    activity.add(np.array([[1.0, 0, -1], [2, 0, 0]]), step=0)
    activity.add(np.array([[0.0, 3, np.nan]]), step=7)
    assert activity.fired.tolist() == [2, 1, 0]
    assert activity.last_fired.tolist() == [0, 7, -1]
    assert activity.silent.tolist() == [False, False, True]
    assert activity.share.tolist() == [2 / 3, 1 / 3, 0]
    assert np.isnan(UnitActivity.of_units(2).share).all()


def test_a_channel_fires_if_any_of_its_places_does():
    images = np.zeros((2, 3, 4, 4))
    images[1, 2, 3, 0] = 1
    activity = UnitActivity.of_units(3)
    activity.add(images, step=5)
    assert activity.fired.tolist() == [0, 0, 1]
    assert activity.seen == 2


@given(
    st.lists(hnp.arrays(np.float32, (2, 4), elements=st.sampled_from([-1, 0, 1])), max_size=6), st.randoms()
)
def test_activity_merges_in_any_order(batches, random):
    whole, parts = UnitActivity.of_units(4), []
    for step, batch in enumerate(batches):
        whole.add(batch, step)
        parts.append(UnitActivity.of_units(4))
        parts[-1].add(batch, step)
    random.shuffle(parts)
    merged = functools.reduce(operator.add, parts, UnitActivity.of_units(4))
    assert merged.to_json() == whole.to_json()
    assert UnitActivity.from_json(json.loads(json.dumps(merged.to_json()))).to_json() == whole.to_json()
    assert UnitActivity.from_arrays(merged.to_arrays()).to_json() == whole.to_json()
