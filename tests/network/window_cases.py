"""Images, kernels, strides and paddings that fit together, for the tests of convolution and pooling."""

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from network import Conv2D

SIDES = st.integers(1, 9)


@st.composite
def cases(draw, pooling=False):
    """An input, a kernel, a stride and a padding that fit together; sizes odd and even, height and width apart."""
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    stride = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    padding = draw(
        st.one_of(st.sampled_from(["same", "valid"]), st.tuples(st.integers(0, 3), st.integers(0, 3)))
    )
    shape = (draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(SIDES), draw(SIDES))
    if not isinstance(padding, str):
        if pooling:
            padding = tuple(min(p, k // 2) for p, k in zip(padding, kernel))
        assume(all(n + 2 * p >= k for n, p, k in zip(shape[2:], padding, kernel)))
    elif padding == "valid":
        assume(all(n >= k for n, k in zip(shape[2:], kernel)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    x = rng.normal(size=shape)
    # Whole numbers have ties, which max pooling must break as documented.
    return (np.round(x) if draw(st.booleans()) else x), kernel, stride, padding, rng


def pads(x, kernel, stride, padding):
    """(before, after) of both axes, by the definition in the documentation."""
    if padding == "valid":
        return [(0, 0), (0, 0)]
    if padding != "same":
        return [(p, p) for p in padding]
    found = []
    for n, k, s in zip(x.shape[2:], kernel, stride):
        total = max((int(np.ceil(n / s)) - 1) * s + k - n, 0)
        found.append((total // 2, total - total // 2))
    return found


def made(case, training=False, **options):
    x, kernel, stride, padding, rng = case
    layer = Conv2D(x.shape[1], 3, kernel, stride, padding, bias_init="normal", **options)
    layer.build(rng, np.dtype("float64"))
    layer.training = training
    return layer
