"""PyTorch's modules, functions, losses and optimisers go through the kit like others."""

import warnings

import pytest

from nndebug.testing import (
    CheckFailed,
    case,
    check_layer,
    check_loss,
    check_member,
    check_network,
    check_optimizer,
)

torch = pytest.importorskip("torch", reason="its modules are what is checked here")
nn = torch.nn

MODULES = {
    "linear": lambda: nn.Linear(4, 3),
    "conv": lambda: nn.Conv2d(2, 3, 2),
    "batchnorm": lambda: nn.BatchNorm1d(4),
    "layernorm": lambda: nn.LayerNorm(4),
    "dropout": lambda: nn.Dropout(0.5),
    "gelu": lambda: nn.GELU(),
    "stack": lambda: nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2)),
}


@pytest.mark.parametrize("name", MODULES)
def test_a_module_passes(name):
    # PyTorch refuses to normalise over a single sample in training.
    claims = {"least_rows": 2} if name == "batchnorm" else {}
    result = check_layer(MODULES[name](), examples=3, **claims)
    assert {"gradients", "batch_of_one", "save_and_load"} <= set(result.passed)
    assert "draws_anew" in (result.passed if name == "dropout" else result.not_applicable)


class Square(torch.autograd.Function):
    factor = 2

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, output_gradient):
        (x,) = ctx.saved_tensors
        return Square.factor * x * output_gradient


class WrongSquare(Square):
    @staticmethod
    def backward(ctx, output_gradient):
        (x,) = ctx.saved_tensors
        return x * output_gradient


class Accumulated(nn.Module):
    def __init__(self):
        super().__init__()
        self.seen = 0

    def forward(self, x):
        self.seen = self.seen + x.sum().item()
        return x * self.seen


def test_an_autograd_function_passes_and_a_wrong_one_does_not():
    assert "gradients" in check_layer(Square, examples=3).passed
    with pytest.raises(
        CheckFailed, match="WrongSquare fails `gradients`: backward is not the derivative of forward"
    ):
        check_layer(WrongSquare)


def test_a_module_that_keeps_something_is_caught():
    with pytest.raises(CheckFailed, match="Accumulated"):
        check_layer(case(Accumulated(), takes=(3,)), only=("deterministic", "nothing_left_over"))


@pytest.mark.parametrize(
    "make", [nn.MSELoss, nn.L1Loss, nn.CrossEntropyLoss, nn.SmoothL1Loss], ids=lambda c: c.__name__
)
def test_a_loss_passes(make):
    # Its means run over all entries, and other shapes than the output's are broadcast with a warning.
    known = {"counts_refused": "PyTorch broadcasts and warns"} if make is not nn.CrossEntropyLoss else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        check_loss(make(), examples=3, expected_failures=known)


def test_optimisers_pass():
    for make in (
        lambda params: torch.optim.SGD(params, lr=0.1),
        lambda params: torch.optim.Adam(params, lr=0.1),
        lambda params: torch.optim.RMSprop(params, lr=0.01),
    ):
        check_optimizer(make, examples=3)


def test_a_network_with_its_loss_passes():
    stack = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3))
    result = check_network(stack, loss=nn.CrossEntropyLoss(), examples=3)
    assert {"gradients", "descends", "save_and_load"} <= set(result.passed)


def test_what_it_is_shows_by_itself():
    assert check_member(nn.ReLU(), only="gradients", examples=3).passed == ["gradients"]
    assert check_member(nn.MSELoss(), only="gradient", examples=3).passed == ["gradient"]
