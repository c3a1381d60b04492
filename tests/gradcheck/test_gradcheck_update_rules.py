"""Right updates are never called wrong, whatever their rule; what is wrong under any rule is, whatever the rule."""

import numpy as np
import pytest

from examples.own_network import rows
from network import SGD, Dense, Momentum, Quadratic, Sequential, Sigmoid
from nndebug.errors import UserError
from nndebug.gradcheck import Verdict, check_update, gradcheck


class Net(rows.Network):
    """Its update calls `step(name, w, g, lr)`, which returns what is taken from w; `state` lasts, `t` counts from 1."""

    step = change = staticmethod(lambda net, name, w, g, lr: lr * g)

    def __init__(self):
        super().__init__([12, 6, 4])
        self.state, self.t = {}, 0

    def train_step(self, x, y, lr):
        grads = self.prepared(x, y, lr)
        self.t += 1
        for name, w in self.params.items():
            w -= self.step(self, name, w, grads[name], lr)

    def prepared(self, x, y, lr):
        return self.backward(x, y)

    def keep(self, key, value):
        self.state[key] = value
        return value


def net(step, prepared=None):
    made = type("Net", (Net,), {"step": staticmethod(step)} | ({"prepared": prepared} if prepared else {}))
    return made()


def check(step, prepared=None):
    _, x, y = rows.factory()
    return gradcheck(net(step, prepared), x, y)


def momentum(n, name, w, g, lr):
    return lr * n.keep(name, 0.9 * n.state.get(name, 0) + g)


def nesterov(n, name, w, g, lr):
    v = n.keep(name, 0.9 * n.state.get(name, 0) + g)
    return lr * (g + 0.9 * v)


def nesterov_of_courses(n, name, w, g, lr):
    before = n.state.get(name, 0 * g)
    v = n.keep(name, 0.9 * before - lr * g)
    return 0.9 * before - 1.9 * v


def averaged(n, name, w, g, lr):
    return lr * n.keep(name, 0.9 * n.state.get(name, 0) + 0.1 * g)


def momentum_with_decaying_rate(n, name, w, g, lr):
    return n.keep(name, 0.9 * n.state.get(name, 0) + lr / n.t * g)


def momentum_on_weights(n, name, w, g, lr):
    return momentum(n, name, w, g, lr) if name[0] == "W" else lr * g


def momentum_and_penalty(n, name, w, g, lr):
    return momentum(n, name, w, g + 0.01 * w if name[0] == "W" else g, lr)


def momentum_and_decay(n, name, w, g, lr):
    return momentum(n, name, w, g, lr) + (lr * 0.01 * w if name[0] == "W" else 0)


def decay_after(n, name, w, g, lr):
    return lr * g + 0.01 * (w - lr * g)


def adagrad(n, name, w, g, lr):
    return lr * g / (np.sqrt(n.keep(name, n.state.get(name, 0) + g * g)) + 1e-8)


def adagrad_from(n, name, w, g, lr):
    return lr * g / np.sqrt(n.keep(name, n.state.get(name, 0.1) + g * g))


def rmsprop(n, name, w, g, lr):
    return lr * g / (np.sqrt(n.keep(name, 0.9 * n.state.get(name, 0) + 0.1 * g * g)) + 1e-8)


def rmsprop_inside(n, name, w, g, lr):
    return lr * g / np.sqrt(n.keep(name, 0.95 * n.state.get(name, 0) + 0.05 * g * g) + 1e-6)


def adadelta(n, name, w, g, lr):
    s = n.keep(name, 0.95 * n.state.get(name, 0) + 0.05 * g * g)
    d = n.state.get(name + "d", 0)
    change = np.sqrt((d + 1e-6) / (s + 1e-6)) * g
    n.keep(name + "d", 0.95 * d + 0.05 * change**2)
    return lr * change


def adam(n, name, w, g, lr, beta1=0.9, beta2=0.999):
    m = n.keep(name + "m", beta1 * n.state.get(name + "m", 0) + (1 - beta1) * g)
    v = n.keep(name + "v", beta2 * n.state.get(name + "v", 0) + (1 - beta2) * g * g)
    return lr * m / (1 - beta1**n.t) / (np.sqrt(v / (1 - beta2**n.t)) + 1e-8)


def adamw(n, name, w, g, lr):
    return adam(n, name, w, g, lr) + (lr * 0.01 * w if name[0] == "W" else 0)


def other_adam(n, name, w, g, lr):
    return adam(n, name, w, g, lr, 0.8, 0.99)


def clipped_norm(limit):
    def prepared(self, x, y, lr):
        grads = self.backward(x, y)
        norm = np.sqrt(sum((g * g).sum() for g in grads.values()))
        return {k: g * min(1, limit / norm) for k, g in grads.items()}

    return prepared


def clipped_each(limit):
    def prepared(self, x, y, lr):
        grads = self.backward(x, y)
        return {k: g * min(1, limit / np.linalg.norm(g)) for k, g in grads.items()}

    return prepared


def clipped_value(self, x, y, lr):
    return {k: np.clip(g, -0.1, 0.1) for k, g in self.backward(x, y).items()}


def plain(n, name, w, g, lr):
    return lr * g


# What the note says of each.
VERIFIED = {
    "momentum": (momentum, None, "keeps 0.9 of the step before (momentum)"),
    "momentum on weights only": (momentum_on_weights, None, "keeps 0.9 of the step before (momentum)"),
    "nesterov": (nesterov, None, "is Nesterov's momentum of 0.9"),
    "nesterov as courses have it": (nesterov_of_courses, None, "is Nesterov's momentum of 0.9"),
    "averaged gradients": (averaged, None, "averages the gradients, 0.9 of what was before"),
    "rate / t": (lambda n, name, w, g, lr: lr / n.t * g, None, "goes 1 and then 0.5 times the rate"),
    "rate / (1 + k t)": (lambda n, name, w, g, lr: lr / (1 + 0.1 * n.t) * g, None, "times the rate"),
    "exponential": (lambda n, name, w, g, lr: lr * 0.95 ** (n.t - 1) * g, None, "goes 1 and then 0.95 times"),
    "rate / sqrt(t)": (lambda n, name, w, g, lr: lr / np.sqrt(n.t) * g, None, "goes 1 and then 0.7071 times"),
    "momentum, decaying rate": (momentum_with_decaying_rate, None, "keeps 0.9 of the step before"),
    "norm clipped": (plain, clipped_norm(0.05), "times the rate (a schedule, or a norm that is clipped)"),
    "norm clipped, momentum": (momentum, clipped_norm(0.05), "times the rate (a schedule, or a norm that is"),
    "norm not reached": (plain, clipped_norm(100), ""),
    "norm of each array clipped": (plain, clipped_each(0.1), "clips the norm of every array's gradient at 0.1"),
    "values clipped": (plain, clipped_value, "clips every entry of the gradient at ±0.1"),
    "penalty": (lambda n, name, w, g, lr: lr * (g + 0.01 * w), None, "adds 0.01 times the parameter"),
    "decay of the weights": (lambda n, name, w, g, lr: lr * g + (1e-4 * w if name[0] == "W" else 0), None, "adds 0.0008 times"),
    "decay after the step": (decay_after, None, "adds 0.080"),
    "momentum and penalty": (momentum_and_penalty, None, "adds 0.01 times the parameter"),
    "a penalty for each layer": (lambda n, name, w, g, lr: momentum(n, name, w, g + 0.01 * int(name[1]) * w if name[0] == "W" else g, lr), None, "keeps 0.9"),
    "momentum and decay": (momentum_and_decay, None, "adds 0.01 times the parameter"),
    "adagrad": (adagrad, None, "is AdaGrad's, with 1e-08"),
    "adagrad from 0.1": (adagrad_from, None, "is AdaGrad's, from 0.1 on"),
    "rmsprop": (rmsprop, None, "is RMSprop's, with 0.9, 1e-08"),
    "rmsprop, epsilon under the root": (rmsprop_inside, None, "is RMSprop's, with 0.95, 1e-06 under the root"),
    "adadelta": (adadelta, None, "is Adadelta's, with 0.95, 1e-06"),
    "adam": (adam, None, "is Adam's, with 0.9, 0.999, 1e-08"),
    "adam with other numbers": (other_adam, None, "is Adam's, with 0.8, 0.99, 1e-08"),
    "adamw": (adamw, None, "is Adam's, with 0.9, 0.999, 1e-08"),
}  # fmt: skip


@pytest.mark.parametrize("name", VERIFIED)
def test_a_right_update_is_recognised_and_agrees(name):
    step, prepared, note = VERIFIED[name]
    result = check(step, prepared)
    assert result, result
    assert note in str(result)


def lars(n, name, w, g, lr):
    return lr * 0.1 * np.linalg.norm(w) / np.linalg.norm(g) * g


def amsgrad(n, name, w, g, lr):
    m = n.keep(name + "m", 0.9 * n.state.get(name + "m", 0) + 0.1 * g)
    v = n.keep(name + "v", 0.999 * n.state.get(name + "v", 0) + 0.001 * g * g)
    top = n.keep(name + "top", np.maximum(n.state.get(name + "top", 0), v))
    return lr * m / (np.sqrt(top) + 1e-8)


def lookahead(self, x, y, lr):
    """Nesterov's own way: the gradient is taken where momentum leads."""
    before = {k: v.copy() for k, v in self.params.items()}
    for k, v in self.params.items():
        v -= 0.9 * lr * self.state.get(k, 0)
    grads = {k: g.copy() for k, g in self.backward(x, y).items()}
    for k, v in self.params.items():
        v[...] = before[k]
    return grads


OPEN = {
    "rates by layer": (lambda n, name, w, g, lr: lr * (0.1 if name[1] == "1" else 1) * g, None, "it steps 0.1 times the rate times the gradient: a rate of its own?"),
    "biases at twice the rate": (lambda n, name, w, g, lr: lr * (2 if name[0] == "b" else 1) * g, None, "it steps 2 times the rate times the gradient: a rate of its own?"),
    "lars": (lars, None, "times the rate times the gradient, which is no rule known here"),
    "signs": (lambda n, name, w, g, lr: lr * np.sign(g), None, "every entry moves by the same amount"),
    "adam, uncorrected": (lambda n, name, w, g, lr: adam(n, name, w, g, lr) * (1 - 0.9**n.t) / np.sqrt(1 - 0.999**n.t), None, "but without its bias correction"),
    "amsgrad": (amsgrad, None, ""),
    "a cube root": (lambda n, name, w, g, lr: lr * np.cbrt(g), None, "every entry goes with its gradient's sign, and further for a larger one"),
    "adam with the penalty inside": (lambda n, name, w, g, lr: adam(n, name, w, g + 0.1 * w, lr), None, "cosine"),
    "nesterov, looking ahead": (momentum, lookahead, ""),
    "noise": (lambda n, name, w, g, lr: lr * (g + 0.3 * np.abs(g).max() * np.random.default_rng(n.t).normal(size=g.shape)), None, "cosine"),
}  # fmt: skip


@pytest.mark.parametrize("name", OPEN)
def test_a_rule_that_is_not_known_is_left_open_and_never_called_wrong(name):
    step, prepared, reason = OPEN[name]
    result = check(step, prepared)
    assert result.exit_code == 3, result
    assert not result.faults
    assert all(row.reason for row in result.unresolved)
    assert any(reason in row.reason for row in result.unresolved), result


# Right rules, each with the mistakes that are mistakes under any of them.
RULES = {
    "descent": (plain, None),
    "momentum": (momentum, None),
    "nesterov": (nesterov, None),
    "1/t": (lambda n, name, w, g, lr: lr / n.t * g, None),
    "adam": (adam, None),
    "adagrad": (adagrad, None),
    "rmsprop": (rmsprop, None),
    "values clipped": (plain, clipped_value),
    "amsgrad": (amsgrad, None),
    "a cube root": (lambda n, name, w, g, lr: lr * np.cbrt(g), None),
    "momentum and decay": (momentum_and_decay, None),
}


@pytest.mark.parametrize("rule", RULES)
def test_ascent_is_a_mistake_whatever_the_rule(rule):
    right, prepared = RULES[rule]

    def ascending(self, x, y, lr):
        grads = prepared(self, x, y, lr) if prepared else self.backward(x, y)
        return {k: -g for k, g in grads.items()}

    result = check(right, ascending)
    assert result.exit_code == 1, result
    assert all("the sign flipped" in f.mistakes[0].name for f in result.faults), result


@pytest.mark.parametrize("rule", [momentum, averaged])
def test_ascent_by_momentum_is_told_by_its_step(rule):
    """A formula in which minus stands twice would read as descent."""
    result = check(rule, lambda self, x, y, lr: {k: -g for k, g in self.backward(x, y).items()})
    assert result.faults
    for mistake in (f.mistakes[0] for f in result.faults):
        assert mistake.yours in ("w = w + step", "b = b + step"), mistake
        assert mistake.should == mistake.yours.replace("+", "-")


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("frozen", ["W1", "b2"])
def test_one_parameter_that_never_moves_is_a_mistake_whatever_the_rule(rule, frozen):
    right, prepared = RULES[rule]
    result = check(lambda n, name, w, g, lr: right(n, name, w, g, lr) * (name != frozen), prepared)
    bad = [row for row in result.rows if row.verdict is Verdict.DISAGREES]
    assert [(row.layer, row.parameter) for row in bad] == [
        ("hidden1", "weight update") if frozen == "W1" else ("output", "bias update")
    ]
    assert ["nothing changed" in f.mistakes[0].name for f in result.faults] == [True]


@pytest.mark.parametrize("rule", RULES)
def test_entries_that_never_move_are_a_mistake_whatever_the_rule(rule):
    right, prepared = RULES[rule]

    def some(n, name, w, g, lr):
        change = right(n, name, w, g, lr)
        if name == "W2":
            change[2] = 0
        return change

    result = check(some, prepared)
    assert result.exit_code == 1, result
    assert "4 of its 24 entries left as they are, though each has a gradient" in str(result)


MISTAKES = {
    "one batch late": (
        lambda n, name, w, g, lr: (lr * n.state.get(name, 0 * g), n.keep(name, g.copy()))[0],
        "the gradient of the batch before (one batch late)",
    ),
    "never computed anew": (
        lambda n, name, w, g, lr: lr * n.state.setdefault(name, g.copy()),
        "the gradient of the first batch again",
    ),
    "never cleared": (
        lambda n, name, w, g, lr: lr * n.keep(name, n.state.get(name, 0) + g),
        "the gradients of the batch before added (never cleared)",
    ),
    "a penalty that lets weights grow": (
        lambda n, name, w, g, lr: lr * (g - 0.01 * w if name[0] == "W" else g),
        "the penalty's sign flipped (the weights grow)",
    ),
    "the penalty only": (lambda n, name, w, g, lr: lr * 0.01 * w, "the gradient left out"),
    "twice": (lambda n, name, w, g, lr: 2 * lr * g, "a factor 2 too many"),
    "no rate": (lambda n, name, w, g, lr: g, "the rate missing"),
    "summed": (lambda n, name, w, g, lr: lr * g * len(n.z1), "no division by the batch"),
    "a factor": (lambda n, name, w, g, lr: 0.3 * lr * g, "a constant factor of 0.3"),
    "broadcast": (
        lambda n, name, w, g, lr: lr * g.mean() + 0 * w,
        "one number for all of its entries, their gradient's mean",
    ),
    "broadcast sum": (lambda n, name, w, g, lr: lr * g.sum() + 0 * w, "their gradient's sum"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_still_named(name):
    step, mistake = MISTAKES[name]
    result = check(step)
    assert result.exit_code == 1, result
    assert any(mistake in m.name for f in result.faults for m in f.mistakes), result


# --- an optimiser of the core that does more than its kind says --------------------------------------------------


def of_the_core(change, optimizer):
    class Changed(type(optimizer)):
        def update(self, parameters, gradient):
            change(self, parameters, gradient, super().update)

    made = (
        Changed(optimizer.rate, optimizer.momentum)
        if hasattr(optimizer, "momentum")
        else Changed(optimizer.rate)
    )
    network = Sequential(Dense(6, 7), Sigmoid(), Dense(7, 3), loss=Quadratic(), dtype="float64")
    return gradcheck(network, optimizer=made)  # fmt: skip


def counted(self):
    self.count = getattr(self, "count", 0) + 1
    return self.count


MORE = {
    "clips values": (lambda s, p, g, up: up(p, np.clip(g, -0.5, 0.5)), SGD(0.1), "clips every entry of the gradient at ±0.5"),
    "clips the norm": (lambda s, p, g, up: up(p, g / np.linalg.norm(g)), SGD(0.1), "a norm that is clipped"),
    "a schedule": (lambda s, p, g, up: up(p, g / np.sqrt(counted(s))), SGD(0.1), "goes 1 and then 0.7071 times"),
    "decays weights": (lambda s, p, g, up: up(p, g + 0.1 * p), SGD(0.1), "adds 0.1 times the parameter"),
    "a schedule, momentum": (lambda s, p, g, up: up(p, g / np.sqrt(counted(s))), Momentum(0.1, 0.8), "goes 1 and then 0.7071 times"),
}  # fmt: skip


@pytest.mark.parametrize("name", MORE)
def test_an_optimiser_that_does_more_than_it_says_is_left_open(name):
    change, optimizer, reason = MORE[name]
    result = of_the_core(change, optimizer)
    assert result.exit_code == 3, result
    assert all(reason in row.reason for row in result.unresolved), result


LESS = {
    "another momentum": (lambda s, p, g, up: setattr(s, "momentum", 0.7) or up(p, g), Momentum(0.1, 0.8)),
    "signs": (lambda s, p, g, up: up(p, np.sign(g)), SGD(0.1)),
    "three times": (lambda s, p, g, up: up(p, 3 * g), SGD(0.1)),
}


@pytest.mark.parametrize("name", LESS)
def test_an_optimiser_that_does_not_do_what_it_declares_is_wrong(name):
    change, optimizer = LESS[name]
    assert of_the_core(change, optimizer).exit_code == 1


# --- an update function -------------------------------------------------------------------------------------------


def function(step):
    n = type("State", (), {"state": {}, "t": 0, "keep": Net.keep})()

    def update(params, grads):
        n.t += 1
        for key, w in params.items():
            w -= step(n, key, w, grads[key], 0.1)

    return update


def make():
    return {"W": np.zeros((4, 3)), "b": np.zeros(3)}


@pytest.mark.parametrize(
    ("step", "kept", "note"),
    [
        (nesterov, 0.9, "update is Nesterov's momentum of 0.9"),
        (momentum_on_weights, 0.9, "update keeps 0.9 of the step before (momentum)"),
        (lambda n, name, w, g, lr: lr * 0.9**n.t * g, 0.0, "a schedule"),
        (rmsprop, 0.0, "update is RMSprop's, with 0.9, 1e-08"),
        (adagrad, 0.0, "update is AdaGrad's, with 1e-08"),
        (lambda n, name, w, g, lr: lr * np.clip(g, -1, 1), 0.0, "update clips every entry of the gradient at ±1"),
    ],
)  # fmt: skip
def test_a_function_that_follows_another_form_of_what_was_declared_agrees(step, kept, note):
    result = check_update(function(step), make(), rate=0.1, momentum=kept)
    assert result, result
    assert note in str(result)


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (momentum, "it keeps 0.9 of the step before (momentum)"),
        (nesterov, "it is Nesterov's momentum of 0.9"),
        (lambda n, name, w, g, lr: lr * np.cbrt(g), "every entry goes with its gradient's sign"),
    ],
)
def test_a_function_with_another_rule_than_declared_is_left_open(step, reason):
    result = check_update(function(step), make(), rate=0.1)
    assert result.exit_code == 3, result
    assert all(reason in row.reason for row in result.unresolved), result


@pytest.mark.parametrize("step", [lambda n, name, w, g, lr: -lr * np.cbrt(g), lambda n, name, w, g, lr: lr * n.state.setdefault(name, g)])  # fmt: skip
def test_a_function_that_is_wrong_under_any_rule_is_wrong(step):
    assert check_update(function(step), make(), rate=0.1).exit_code == 1


def test_another_momentum_than_declared_is_wrong():
    assert check_update(function(momentum), make(), rate=0.1, momentum=0.5).exit_code == 1


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"rate": 0.0}, "rate is 0.0"),
        ({"rate": -0.1}, "rate is -0.1"),
        ({"rate": float("nan")}, "rate is nan"),
        ({"rate": 0.1, "momentum": 1.0}, "momentum is 1.0"),
        ({"rate": 0.1, "l2": -1.0}, "l2 is -1.0"),
        ({"rate": 0.1, "samples": 0}, "samples is 0"),
    ],
)
def test_numbers_that_cannot_be_meant_are_refused(numbers, message):
    with pytest.raises(UserError, match=message):
        check_update(function(momentum), make(), **numbers)
