"""Rules about the structure of a network that are judged on its training."""

import pytest

from nndebug.findings import Severity

from .runs import make_run, one, symptoms


def running(*, output=True, gradient=False, zeros=20, calls=False, **more):
    """A run in which hidden1's parameters stay as they are, and output trains."""
    steps = range(zeros)
    series = {(f"hidden1.{name}", "update.norm"): dict.fromkeys(steps, 0.0) for name in ("weight", "bias")}
    series |= {(f"output.{name}", "update.norm"): dict.fromkeys(steps, 1.0) for name in ("weight", "bias")}
    if output:
        series["output", "preactivation.std"] = dict.fromkeys(steps, 1.0)
    if gradient:
        series["hidden1.weight", "gradient.norm"] = {0: 0.0}
    if calls:
        series["hidden1", "preactivation.std"] = {0: 1.0}
    return make_run(series, **more)


class TestLayerUnused:
    def test_names_the_layer(self):
        found = one("NND803", running())
        assert found.site == "hidden1" and found.severity is Severity.WARNING
        assert found.message == "it is declared and never runs: no recorded pass went through it"
        assert not symptoms("NND403", running())

    def test_an_error_where_nothing_is_learned_and_an_info_where_it_is(self):
        assert one("NND803", running(learns=False)).severity is Severity.ERROR
        assert one("NND803", running(learns=True)).severity is Severity.INFO

    @pytest.mark.parametrize(("zeros", "fires"), [(19, False), (20, True)])
    def test_boundary(self, zeros, fires):
        assert bool(symptoms("NND803", running(zeros=zeros))) == fires

    def test_silent_for_a_layer_that_ran_once(self):
        assert not symptoms("NND803", running(calls=True))

    def test_silent_where_others_multiply_by_its_weights(self):
        assert not symptoms("NND803", running(gradient=True))

    def test_silent_where_passes_cannot_be_seen(self):
        assert not symptoms("NND803", running(output=False))
