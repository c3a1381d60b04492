"""The planted faults: each is named first, and nothing is found in its healthy twin."""

import numpy as np
import pytest

import nndebug
from network import fit
from nndebug.causes import Kind
from nndebug.faults import DEFAULT, FAULTS

SEEDS = range(5)


def watched(experiment):
    network, optimizer, dataset = experiment.build()
    with np.errstate(all="ignore"), nndebug.watch(network, strict=True) as watching:
        fit(network, dataset.train, optimizer, validation=dataset.test, **experiment.fit_options(dataset))
    return watching.result


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("fault", FAULTS.values(), ids=lambda fault: fault.name)
def test_planted_fault_is_the_first_cause(fault, seed):
    result = watched(fault.experiment(seed))
    first = result.causes[0]
    assert (first.kind, fault.layer or first.layer) == (fault.cause, first.layer)
    assert first.explains and set(first.explains) <= {finding.fingerprint for finding in result.findings}
    assert len(result.verdict) <= 200


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("fault", FAULTS.values(), ids=lambda fault: fault.name)
def test_nothing_is_found_in_the_healthy_twin(fault, seed):
    result = watched(fault.fixed(seed))
    assert not result.causes and result
    assert result.verdict.startswith("Nothing is wrong")


def test_causes_are_of_the_vocabulary():
    assert DEFAULT in FAULTS
    assert {fault.cause for fault in FAULTS.values()} <= set(Kind)
