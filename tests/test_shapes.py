"""Shape patterns: what fits, what is said when it does not, and where a name was bound."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nndebug.errors import UserError
from nndebug.shapes import ShapeMismatch, Shapes, assert_shape, match, mismatch, parse

NAMES = ("batch", "features", "n", "größe")


def test_an_array_that_fits_passes_and_binds_its_names():
    x, y = np.zeros((32, 784)), np.zeros((32, 10))
    shapes = assert_shape((x, "batch 784"), (y, "batch classes"))
    assert shapes.sizes == {"batch": 32, "classes": 10}
    assert shapes.sources == {"batch": "x", "classes": "y"}
    assert shapes.check(np.zeros(32), "batch", "labels") is shapes


MESSAGES = [
    # pattern, shape, what follows "x expects "
    ("batch 784", (784, 10), "(batch, 784), got (784, 10): looks transposed"),
    (
        "batch 784",
        (784,),
        "(batch, 784), got (784,): looks like one sample without the batch axis; use x[None]",
    ),
    (
        "batch 1",
        (5,),
        "(batch, 1), got (5,): (n,) where (n, 1) is expected; together they broadcast to (n, n); use x[:, None]",
    ),
    (
        "batch",
        (5, 1),
        "(batch,), got (5, 1): (n, 1) where (n,) is expected; together they broadcast to (n, n); use x[:, 0]",
    ),
    (
        "batch 784",
        (4, 28, 28),
        "(batch, 784), got (4, 28, 28): looks not flattened; use x.reshape(len(x), -1)",
    ),
    (
        "batch 784",
        (1, 4, 784),
        "(batch, 784), got (1, 4, 784): has axes of size 1 too many (axis 0); use x.squeeze()",
    ),
    (
        "batch 3 28 28",
        (4, 28, 28, 3),
        "(batch, 3, 28, 28), got (4, 28, 28, 3): axes are in another order; x.transpose(0, 3, 1, 2) fits",
    ),
    ("batch 784", (3, 7), "(batch, 784), got (3, 7): axis 1 is 7, not 784"),
    ("n n", (3, 4), "(n, n), got (3, 4): axis 1 is 4, not n = 3"),
    ("2 ... 5", (2, 3, 4), "(2, ..., 5), got (2, 3, 4): axis 2 is 4, not 5"),
    ("a ... b", (4,), "(a, ..., b), got (4,): 1 axis where at least 2 axes are expected"),
    ("", (5,), "(), got (5,): 1 axis where no axes are expected"),
    ("3 5", (4, 5, 6), "(3, 5), got (4, 5, 6): 3 axes where 2 axes are expected"),
]


@pytest.mark.parametrize(("pattern", "shape", "message"), MESSAGES)
def test_the_message_names_expected_and_got_and_the_likeliest_mistake(pattern, shape, message):
    with pytest.raises(ShapeMismatch) as caught:
        Shapes().check(np.zeros(shape), pattern, "x")
    assert str(caught.value) == f"x expects {message}"
    assert caught.value.got == shape
    assert caught.value.expected == pattern


def test_the_message_says_which_array_bound_a_size():
    x, y = np.zeros((32, 784)), np.zeros((8, 10))
    with pytest.raises(ShapeMismatch) as caught:
        assert_shape((x, "batch 784"), (y, "batch 10"))
    assert str(caught.value) == (
        "y expects (batch, 10) with batch = 32 (bound by x), got (8, 10): axis 0 is 8, not batch = 32"
    )
    with pytest.raises(ShapeMismatch, match=r"^labels expects \(batch,\) with batch = 7, got \(8,\)"):
        assert_shape(np.zeros(8), "batch", "labels", batch=7)


def test_a_mismatch_binds_nothing():
    shapes = Shapes()
    with pytest.raises(ShapeMismatch):
        shapes.check(np.zeros((4, 3)), "batch 5", "x")
    assert shapes.sizes == {}


def test_mismatch_for_hooks_binds_through_the_mapping():
    step: dict[str, int] = {}
    assert mismatch((32, 30), "batch 30", step) is None
    assert step == {"batch": 32}
    assert mismatch((31, 10), "batch 10", step) == (
        "expects (batch, 10) with batch = 32, got (31, 10): axis 0 is 31, not batch = 32"
    )


def test_anything_with_a_shape_will_do():
    class Tensor:
        shape = (2, 3)

    assert_shape(Tensor(), "batch 3")
    x = [1, 2]
    with pytest.raises(UserError, match="x is of type list, which has no shape"):
        assert_shape(x, "batch")


@pytest.mark.parametrize("pattern", ["ba-tch 3", "... 3 ...", "batch, 3", "-1", "2x"])
def test_what_is_no_pattern_is_refused(pattern):
    with pytest.raises(UserError) as caught:
        assert_shape(np.zeros(3), pattern)
    assert "integers, names" in caught.value.help


def test_an_array_without_a_pattern_is_refused():
    with pytest.raises(UserError, match="an array and a pattern"):
        assert_shape(np.zeros(3))
    with pytest.raises(UserError, match="an array and a pattern"):
        assert_shape(np.zeros(3), np.zeros(3))


shapes = st.lists(st.integers(0, 6), max_size=5).map(tuple)


@st.composite
def fitting(draw):
    """A shape and a pattern made from it, so that it fits; with the sizes of its names."""
    shape = draw(shapes)
    sizes: dict[str, int] = {}
    words = []
    for size in shape:
        usable = [name for name in NAMES if sizes.get(name, size) == size]
        kind = draw(st.sampled_from(["size", "any", *usable]))
        if kind in usable:
            sizes[kind] = size
        words.append({"size": str(size), "any": "_"}.get(kind, kind))
    if draw(st.booleans()):
        start = draw(st.integers(0, len(words)))
        stop = draw(st.integers(start, len(words)))
        words[start:stop] = ["..."]
    return shape, " ".join(words), {name: size for name, size in sizes.items() if name in words}


@given(fitting())
def test_a_pattern_made_from_a_shape_fits_it(case):
    shape, pattern, sizes = case
    assert match(shape, parse(pattern), {}) == sizes
    assert mismatch(shape, pattern, dict(sizes)) is None


@given(fitting(), st.integers(1, 3))
def test_any_other_size_of_a_bound_name_does_not_fit(case, more):
    shape, pattern, sizes = case
    for name in sizes:
        wrong = {**sizes, name: sizes[name] + more}
        assert match(shape, parse(pattern), wrong) is None
        said = mismatch(shape, pattern, dict(wrong))
        assert said is not None
        assert f"{name} = {wrong[name]}" in said


@given(shapes, st.lists(st.one_of(st.integers(0, 6).map(str), st.sampled_from([*NAMES, "_"])), max_size=5))
def test_matching_agrees_with_substitution(shape, words):
    """Outside definition: some assignment of sizes to the names turns the pattern into the shape."""
    axes = parse(" ".join(words))
    sizes = {}
    for size, axis in zip(shape, axes, strict=False):
        sizes.setdefault(axis, size)
    built = tuple(
        size if axis == "_" else axis if isinstance(axis, int) else sizes[axis]
        for size, axis in zip(shape, axes, strict=False)
    )
    expected = len(axes) == len(shape) and built == shape
    assert (match(shape, axes, {}) is not None) == expected
    assert (mismatch(shape, " ".join(words), {}) is None) == expected
