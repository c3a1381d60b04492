"""The planted faults: each is named first, and nothing is found in its healthy twin."""

import numpy as np
import pytest

import nndebug
from network import fit
from nndebug.causes import Kind
from nndebug.faults import DEFAULT, FAULTS
from nndebug.faults.fault import override

ONE_OF_A_KIND = {fault.cause: fault.name for fault in reversed(FAULTS.values())}
"""The first fault of every cause: the others, and other seeds, are slow tests."""

SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 5))]
CASES = [
    pytest.param(name, marks=[] if name in ONE_OF_A_KIND.values() else pytest.mark.slow) for name in FAULTS
]
TWINS = {repr(sorted(fault.healthy.items(), key=str)): fault for fault in FAULTS.values()}
"""Many faults share a twin."""


def watched(experiment):
    network, optimizer, dataset = experiment.build()
    with np.errstate(all="ignore"), nndebug.watch(network, preflight=10.0) as watching:
        fit(network, dataset.train, optimizer, validation=dataset.test, **experiment.fit_options(dataset))
    return watching.result


@pytest.mark.filterwarnings(
    "ignore:nndebug. the preflight"
)  # what raises at another batch size does so there, too
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", CASES)
def test_planted_fault_is_the_first_cause(name, seed):
    fault = FAULTS[name]
    result = watched(fault.experiment(seed))
    first = result.causes[0]
    assert (first.kind, fault.layer or first.layer) == (fault.cause, first.layer)
    assert first.explains and set(first.explains) <= {finding.fingerprint for finding in result.findings}
    assert len(result.verdict) <= 200
    if fault.mistake:
        (named,) = (f.evidence for f in result.findings if f.code == "NND602")
        assert fault.mistake in (named["mistake"], *named["others"])


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("fault", TWINS.values(), ids=lambda fault: fault.name)
def test_nothing_is_found_in_the_healthy_twin(fault, seed):
    result = watched(fault.fixed(seed))
    assert not result.causes and result
    assert result.verdict.startswith("Nothing is wrong")


def test_causes_are_of_the_vocabulary():
    assert DEFAULT in FAULTS
    assert {fault.cause for fault in FAULTS.values()} <= {kind.value for kind in Kind}


def test_every_fault_is_another():
    assert len(FAULTS) >= 60
    assert len({fault.summary for fault in FAULTS.values()}) == len(FAULTS)


def test_an_override_holds_for_copies_and_for_one_object_only():
    network, _, _ = FAULTS["no-hidden-derivative"].experiment(0).build()
    healthy, _, _ = FAULTS["no-hidden-derivative"].fixed(0).build()
    error = np.ones((3, 30), "float32")
    for one in (network, network.copy(), network.copy("float64"), network.twin()):
        one.forward(np.ones((3, 64), one.dtype))
        np.testing.assert_array_equal(one.layers[1].backward(error.astype(one.dtype)), 1.0)
    healthy.forward(np.ones((3, 64), "float32"))
    assert healthy.layers[1].backward(error).max() <= 0.25
    override(healthy.loss, "gradient_encoded", lambda self, right, *arguments: right(*arguments))
    assert type(healthy.loss).__name__ == "Quadratic"
