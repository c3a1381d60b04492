"""What the members of the core must compute: plain functions that are easy to trust, by SciPy or in loops."""

import numpy as np
from scipy import special


def dense(x, values):
    weight, bias = values["weight"], values.get("bias")
    rows = [[sum(row * weight[:, j]) for j in range(weight.shape[1])] for row in x]
    return np.array(rows).reshape(len(x), -1) + (0 if bias is None else bias)


def flatten(x):
    return np.array([row.ravel() for row in x])


def unchanged(x):
    return x


def windows(layer, size, axis):
    """First entries of all windows along one axis, padding before included, by the definition in the documentation."""
    kernel, stride = layer.kernel[axis], layer.stride[axis]
    if layer.padding == "same":
        outputs = int(np.ceil(size / stride))
        before = max((outputs - 1) * stride + kernel - size, 0) // 2
    else:
        before = 0 if isinstance(layer.padding, str) else layer.padding[axis]
        outputs = (size + 2 * before - kernel) // stride + 1
    return [i * stride - before for i in range(outputs)]


def windowed(x, layer, function):
    """function(sample, window's rows, window's columns, kernel offsets) at every place."""
    rows, columns = (windows(layer, x.shape[2 + axis], axis) for axis in (0, 1))
    found = []
    for sample in x:
        for top in rows:
            for left in columns:
                places = [
                    (i - top, j - left, sample[:, i, j])
                    for i in range(max(top, 0), min(top + layer.kernel[0], x.shape[2]))
                    for j in range(max(left, 0), min(left + layer.kernel[1], x.shape[3]))
                ]
                found.append(function(places))
    return np.moveaxis(np.array(found).reshape(len(x), len(rows), len(columns), -1), -1, 1)


def conv(x, values, layer):
    weight, bias = values["weight"], values.get("bias", np.zeros(len(values["weight"])))
    return windowed(
        x, layer, lambda places: bias + sum(weight[:, :, i, j] @ entries for i, j, entries in places)
    )


def max_pool(x, values, layer):
    return windowed(x, layer, lambda places: np.max([entries for *_, entries in places], axis=0))


def avg_pool(x, values, layer):
    return windowed(x, layer, lambda places: np.mean([entries for *_, entries in places], axis=0))


def batch_norm(x, values, layer):
    axes = (0,) if x.ndim == 2 else (0, 2, 3)
    shape = (1, -1) + (1,) * (x.ndim - 2)
    mean, variance = values["running_mean"], values["running_var"]
    if layer.training:
        mean, variance = x.mean(axis=axes), x.var(axis=axes)
    mean, variance, scale, shift = (
        v.reshape(shape) for v in (mean, variance, values["weight"], values["bias"])
    )
    return (x - mean) / np.sqrt(variance + layer.epsilon) * scale + shift


def layer_norm(x, values, layer):
    rows = [(row - row.mean()) / np.sqrt(row.var() + layer.epsilon) for row in x]
    return np.array(rows) * values["weight"] + values["bias"]


LAYERS = {
    "Dense": dense,
    "Flatten": flatten,
    "Dropout": unchanged,
    "Conv2D": conv,
    "MaxPool2D": max_pool,
    "AvgPool2D": avg_pool,
    "BatchNorm": batch_norm,
    "LayerNorm": layer_norm,
}
ACTIVATIONS = {
    "Identity": unchanged,
    "Sigmoid": special.expit,
    "Tanh": np.tanh,
    "ReLU": lambda z: np.where(z > 0, z, 0),
    "GELU": lambda z: z * special.ndtr(z),
    "Softmax": lambda z: special.softmax(z, axis=1),
}


def quadratic(output, target):
    return np.array([sum((a - y) ** 2) / 2 for a, y in zip(output, target)])


def cross_entropy(output, target):
    return -(target * special.log_softmax(output, axis=1)).sum(axis=1)


def binary_cross_entropy(output, target):
    return (np.logaddexp(0, output) - output * target).sum(axis=1)


def absolute_error(output, target):
    return np.array([np.mean([abs(a - y) for a, y in zip(*pair)]) for pair in zip(output, target)])


def hinge(output, target):
    return np.mean(
        [[max(0, 1 - (2 * y - 1) * a) for a, y in zip(*pair)] for pair in zip(output, target)], axis=1
    )


def clipped(p):
    return np.clip(p, 1e-7, 1 - 1e-7)


def probability_cross_entropy(output, target):
    return -special.xlogy(target, clipped(output)).sum(axis=1)


def probability_binary_cross_entropy(output, target):
    p = clipped(output)
    return -(special.xlogy(target, p) + special.xlog1py(1 - target, -p)).mean(axis=1)


LOSSES = {
    "Quadratic": quadratic,
    "AbsoluteError": absolute_error,
    "Hinge": hinge,
    "CrossEntropy": cross_entropy,
    "BinaryCrossEntropy": binary_cross_entropy,
    "ProbabilityCrossEntropy": probability_cross_entropy,
    "ProbabilityBinaryCrossEntropy": probability_binary_cross_entropy,
}


def follow(made, w, gradients):
    """The textbook's updates of one number, in Python floats."""
    v = m = s = 0.0
    for t, g in enumerate(gradients, 1):
        if made.kind == "sgd":
            w -= made.rate * g
        elif made.kind == "momentum":
            v = made.momentum * v + g
            w -= made.rate * (g + made.momentum * v if made.nesterov else v)
        elif made.kind == "adam":
            m, s = made.beta1 * m + (1 - made.beta1) * g, made.beta2 * s + (1 - made.beta2) * g * g
            w -= made.rate * (m / (1 - made.beta1**t)) / ((s / (1 - made.beta2**t)) ** 0.5 + made.epsilon)
        elif made.kind == "rmsprop":
            s = made.rho * s + (1 - made.rho) * g * g
            v = made.momentum * v + g / (s**0.5 + made.epsilon)
            w -= made.rate * v
        else:
            s = made.rho * s + (1 - made.rho) * g * g
            step = ((m + made.epsilon) / (s + made.epsilon)) ** 0.5 * g
            m = made.rho * m + (1 - made.rho) * step * step
            w -= made.rate * step
    return w


def optimizer(made):
    """The textbook's updates of a core's optimiser of known kind, entry by entry; None for others."""
    if made.kind not in ("sgd", "momentum", "adam", "rmsprop", "adadelta"):
        return None

    def reference(start, history):
        found = {}
        for name, value in start.items():
            entries = [
                follow(made, float(value[at]), [float(gradients[name][at]) for gradients in history])
                for at in np.ndindex(value.shape)
            ]
            found[name] = np.array(entries).reshape(value.shape)
        return found

    return reference


def fan_in(shape):
    return np.prod(shape[1:]) if len(shape) == 4 else shape[0]


def fan_out(shape):
    return shape[0] * np.prod(shape[2:]) if len(shape) == 4 else shape[-1]


VARIANCES = {
    "normal": lambda shape: 1.0,
    "he": lambda shape: 2 / fan_in(shape),
    "xavier": lambda shape: 2 / (fan_in(shape) + fan_out(shape)),
    "lecun": lambda shape: 1 / fan_in(shape),
}
