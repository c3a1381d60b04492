"""Figures through strict JSON and back."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nndebug.strict_json import decode, encode, plain, revive


def test_figures_that_are_not_finite_are_strict_json():
    row = {
        "a": math.nan,
        "b": math.inf,
        "c": -np.inf,
        "d": np.float32("nan"),
        "e": np.float32(0.1),
        "f": np.int64(3),
    }
    strict = json.loads(encode(row), parse_constant=lambda word: pytest.fail(f"{word} is not strict JSON"))
    assert strict == {
        "a": "NaN",
        "b": "Infinity",
        "c": "-Infinity",
        "d": "NaN",
        "e": float(np.float32(0.1)),
        "f": 3,
    }
    assert repr(revive(strict)["c"]) == "-inf"
    assert plain(np.array([[1.5, np.nan]])) == [[1.5, "NaN"]]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    )
)
def test_any_value_round_trips(value):
    assert encode(value).isascii()
    assert "\n" not in encode(value)
    again = revive(decode(encode(value)))
    assert repr(again) == repr(value)
    assert encode(again) == encode(value)


def test_texts_are_not_taken_for_figures():
    value = {"name": "NaN", "sites": [{"name": "Infinity", "parameters": ["NaN"]}], "figures": [math.nan]}
    again = revive(decode(encode(value)))
    assert again["name"] == "NaN"
    assert again["sites"] == value["sites"]
    assert math.isnan(again["figures"][0])


@pytest.mark.parametrize("value", [object(), {"a": {1j}}])
def test_what_json_cannot_hold_is_refused(value):
    with pytest.raises(TypeError):
        encode(value)


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", "{", b"\xff", "[" * 100_000])
def test_what_is_no_strict_json_is_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011 (which one is the parser's affair)
        decode(text)
