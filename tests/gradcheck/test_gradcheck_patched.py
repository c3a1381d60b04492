"""Bugs patched in at a prompt, and networks that are wrong around right layers."""

import types

import numpy as np

from network import (
    Dense,
    Quadratic,
    Sequential,
    Sigmoid,
)
from nndebug.gradcheck import gradcheck

# --- patched at a prompt: the copy that is checked must have the patch --------------------------------------------


def net():
    return Sequential(Dense(6, 7), Sigmoid(), Dense(7, 5), Sigmoid(), loss=Quadratic())


def test_a_method_patched_on_the_instance_is_checked():
    network = net()

    def backward(self, output_gradient):
        return output_gradient * self._a

    network.layers[1].backward = types.MethodType(backward, network.layers[1])
    before = network.layers[1].backward
    (found,) = gradcheck(network).faults
    assert found.mistakes[0].name == "the activation in place of its derivative"
    assert network.layers[1].backward is before


def test_a_closure_over_the_layer_is_checked_on_the_copy():
    network = net()
    layer = network.layers[1]
    original = layer.backward
    layer.backward = lambda output_gradient: -original(output_gradient)
    (found,) = gradcheck(network).faults
    assert found.mistakes[0].name == "the sign flipped"
    assert not hasattr(layer, "_z")  # the user's own layer never ran


def test_a_patched_class_is_checked(monkeypatch):
    monkeypatch.setattr(Sigmoid, "derivative", lambda self, z, a, out=None: np.multiply(a, 1 + a, out=out))
    assert {f.equation for f in gradcheck(net()).faults} == {"BP1", "BP2"}


def test_a_patched_loss_instance_is_checked():
    network = net()
    gradient = network.loss.gradient
    network.loss.gradient = lambda *arguments: 2 * gradient(*arguments)
    (found,) = gradcheck(network).faults
    assert (found.equation, found.mistakes[0].name) == ("BP1", "a factor 2 too many")


# --- the network around its layers --------------------------------------------------------------------------------


def test_a_network_that_chains_its_layers_wrongly():
    class Backwards(Sequential):
        def differentiate(self, x, target, **how):
            output = super().differentiate(x, target, **how)
            for gradient in self.gradients.values():
                gradient *= -1
            return output

    (found,) = gradcheck(Backwards(Dense(6, 7), Sigmoid(), Dense(7, 5), loss=Quadratic())).faults
    assert found.layer == "output"
    assert "look at how the network chains them" in found.sentence
    assert found.mistakes[0].name == "the sign flipped"


def test_gradients_that_are_not_cleared():
    class Adds(Dense):
        def backward_parameters(self, output_gradient):
            before = {name: value.copy() for name, value in self.gradients.items()}
            super().backward_parameters(output_gradient)
            for name, value in before.items():
                self.gradients[name] += value

    result = gradcheck(Sequential(Adds(6, 7), Sigmoid(), Dense(7, 5), loss=Quadratic()))
    (found,) = result.faults
    assert found.layer == "hidden1"
    assert "not cleared" in found.sentence
    assert not result


def test_a_first_layer_that_trains_with_another_gradient():
    class Shortcut(Dense):
        def backward(self, output_gradient):
            return super().backward(output_gradient)

        def backward_parameters(self, output_gradient):
            super().backward_parameters(output_gradient)

    class Wrong(Shortcut):
        def backward(self, output_gradient):
            passed = super().backward(output_gradient).copy()
            Dense.backward_parameters(self, output_gradient)
            return passed

        def backward_parameters(self, output_gradient):
            super().backward_parameters(output_gradient)
            self.gradients["weight"][...] = 0

    assert gradcheck(Sequential(Shortcut(6, 7), Sigmoid(), Dense(7, 5), loss=Quadratic()))
    (found,) = gradcheck(Sequential(Wrong(6, 7), Sigmoid(), Dense(7, 5), loss=Quadratic())).faults
    assert found.layer == "hidden1"
    assert "when no input gradient is asked for" in found.sentence
