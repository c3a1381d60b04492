"""How many evaluations it takes to name what is wrong, and whether it is named."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nndebug
from nndebug.gradcheck.search import Group, bisect

MILLION = 1_000_000


class Counted:
    """mean(w² (a + w/10)) over many entries, which counts its calls."""

    def __init__(self, size, seed=0):
        rng = np.random.default_rng(seed)
        self.a, self.w, self.calls = rng.normal(size=size), rng.normal(size=size), 0
        self.terms = np.empty(size)  # a fresh array in every call would take most of the time

    def __call__(self, w):
        self.calls += 1
        np.multiply(w, 0.1, out=self.terms)
        self.terms += self.a
        self.terms *= w
        return float(np.dot(self.terms, w)) / w.size

    @property
    def gradient(self):
        return (2 * self.w * self.a + 0.3 * self.w**2) / self.w.size


@pytest.fixture(scope="module")
def million():
    return Counted(MILLION)


def spoilt(million, entries, factor):
    gradient = million.gradient
    gradient[entries] *= factor
    million.calls = 0
    return gradient


@pytest.mark.parametrize(("seed", "factor"), [(0, 0.0), (1, -1.0), (2, 0.5)])
def test_one_of_a_million_in_less_than_100_evaluations(million, seed, factor):
    entry = int(np.random.default_rng(seed).integers(MILLION))
    result = nndebug.gradcheck(million, million.w, spoilt(million, [entry], factor), seed=seed)
    assert million.calls == result.evaluations < 100
    assert (result.rows[0].wrong, result.rows[0].index) == (1, (entry,))
    assert f"[{entry}]" in result.faults[0].sentence


@pytest.mark.slow
def test_twenty_of_a_million_in_less_than_1500(million):
    entries = np.sort(np.random.default_rng(5).choice(MILLION, 20, replace=False))
    result = nndebug.gradcheck(million, million.w, spoilt(million, entries, -1.0))
    assert million.calls == result.evaluations < 1_500
    assert result.rows[0].wrong == 20
    assert result.faults[0].sentence.count("[") == 21  # each of them, and the worst once more
    for entry in entries:
        assert f"[{entry}]" in result.faults[0].sentence


def test_a_relative_error_of_1e_5_in_a_tensor_is_found(million):
    result = nndebug.gradcheck(million, million.w, spoilt(million, slice(None), 1 + 1e-5))
    assert result.exit_code == 1
    assert million.calls < 60
    assert result.rows[0].wrong > 0.99 * MILLION
    assert result.faults[0].mistakes[0].name == "a constant factor of 1.00001"


def test_a_correct_million_takes_less_than_40(million):
    assert nndebug.gradcheck(million, million.w, spoilt(million, [0], 1.0))
    assert million.calls < 40


def test_a_slip_in_the_penalty_of_1e_5_is_found_and_named():
    rng = np.random.default_rng(3)
    x, y, w = rng.normal(size=(20, 30)), rng.normal(size=(20, 8)), rng.normal(size=(30, 8)) / 5

    def loss(p):
        return 0.5 * np.mean((np.tanh(x @ p) - y) ** 2) + 0.5e-5 * np.sum(p * p)

    a = np.tanh(x @ w)
    data = x.T @ ((a - y) * (1 - a * a)) / y.size
    assert nndebug.gradcheck(loss, w, data + 1e-5 * w)
    for slip, name in (
        (data, "a penalty's term missing: 1e-05 * params"),
        (data - 1e-5 * w, "a penalty's term missing: 2e-05 * params"),
        (data + 2e-5 * w, "a penalty's term too many: 1e-05 * params"),
    ):
        result = nndebug.gradcheck(loss, w, slip)
        assert result.exit_code == 1
        assert result.faults[0].mistakes[0].name == name


def cubes(shape):
    w = np.random.default_rng(7).uniform(0.5, 1.5, shape)
    return (lambda p: (p**3).sum()), w, 3 * w**2


@pytest.mark.parametrize(
    ("spoil", "where", "wrong"),
    [
        (np.s_[7], "row 7", 80),
        (np.s_[:, 11], "column 11", 60),
        (np.s_[[3, 9]], "rows 3, 9", 160),
        (np.s_[:], "all of them", 4800),
    ],
)
def test_rows_columns_and_everything_are_named(spoil, where, wrong):
    loss, w, grads = cubes((60, 80))
    grads[spoil] += np.random.default_rng(8).uniform(0.1, 0.5, grads[spoil].shape)  # no common factor
    result = nndebug.gradcheck(loss, w, grads)
    assert (result.rows[0].wrong, result.rows[0].reason) == (wrong, where)
    assert result.evaluations < 900


def test_many_scattered_entries_are_estimated():
    loss, w, grads = cubes((60, 80))
    mask = np.random.default_rng(9).uniform(size=w.shape) < 0.5
    grads[mask] *= np.random.default_rng(10).uniform(1.1, 1.5, int(mask.sum()))
    row = nndebug.gradcheck(loss, w, grads).rows[0]
    assert row.reason.startswith("about ")
    assert 0.2 * w.size < row.wrong < 0.8 * w.size
    assert mask[row.index]


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda g, w: -g, "the sign flipped"),
        (lambda g, w: 2 * g, "a factor 2 too many"),
        (lambda g, w: g / 2, "a factor 2 missing"),
        (lambda g, w: g / 10, "a division by 10 too many (of the batch, or a mean in place of the sum?)"),
        (lambda g, w: g * 10, "a division by 10 missing (of the batch, or a sum in place of the mean?)"),
        (lambda g, w: g.T, "the transpose forgotten"),
        (lambda g, w: 1.7 * g, "a constant factor of 1.7"),
        (lambda g, w: g + 0.3 * w, "a penalty's term too many: 0.3 * params"),
    ],
)
def test_what_explains_a_whole_tensor_is_named(change, name):
    loss, w, grads = cubes((9, 9))
    result = nndebug.gradcheck(loss, w, change(grads, w))
    assert [m.name for m in result.faults[0].mistakes] == [name]
    assert result.evaluations < 60


def test_where_there_should_be_nothing_no_factor_is_named():
    """What cancels leaves 1e-16 behind, and that is some share of anything."""
    rng = np.random.default_rng(0)
    w = {"a": rng.normal(size=(6, 8)), "b": rng.normal(size=10)}

    def loss(p):
        e = np.exp(p["a"] + p["b"][0] - 1)
        return float(
            np.log(e / np.exp(p["b"][0])).sum()
            + (p["a"] ** 2).sum()
            + np.ptp(np.log(np.exp(p["b"] - p["b"])))
        )

    for seed in range(5):
        result = nndebug.gradcheck(loss, w, {"a": 1 + 2 * w["a"], "b": rng.normal(size=10)}, seed=seed)
        (fault,) = result.faults
        assert not fault.mistakes, fault


def test_gradients_that_changed_places_are_named():
    w = {"a": np.full((4, 5), 1.0), "b": np.full((4, 5), 2.0)}
    result = nndebug.gradcheck(
        lambda p: (p["a"] ** 3).sum() + (p["b"] ** 2).sum(), w, {"a": 2 * w["b"], "b": 3 * w["a"] ** 2}
    )
    assert result.faults[0].mistakes[0].name == "the gradient of b in its place"


def test_equal_errors_do_not_cancel():
    """Signs alone would miss two errors of the same size along every second direction."""
    loss, w, grads = cubes((40,))
    for seed in range(40):
        entries = np.random.default_rng(seed).choice(40, 2, replace=False)
        wrong = grads.copy()
        wrong[entries] += [0.5, 0.5] if seed % 2 else [0.5, -0.5]
        assert nndebug.gradcheck(loss, w, wrong, seed=seed).rows[0].wrong == 2


@settings(deadline=None, max_examples=200)
@given(st.integers(1, 500), st.data())
def test_bisection_finds_what_is_there(size, data):
    guilty = data.draw(st.sets(st.integers(0, size - 1), max_size=12))
    weights = np.zeros(size)
    for entry in guilty:
        weights[entry] = 1 + np.sqrt(entry + 2)
    asked = []

    def measure(items):
        asked.append(items)
        return float(weights[items].sum()), 1e-9

    everything = np.arange(size)
    found = bisect(Group(everything, *measure(everything)), measure)
    assert sorted(found) == sorted(guilty)
    assert len(asked) <= 1 + 2 * max(1, len(guilty)) * max(1, int(np.ceil(np.log2(size))))


def test_bisection_gives_up_when_there_are_too_many():
    everything = np.arange(1000)
    assert bisect(Group(everything, 1000.0, 0.0), lambda items: (float(len(items)), 0.0)) is None
