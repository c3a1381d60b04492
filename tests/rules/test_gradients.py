import numpy as np
import pytest

from nndebug.findings import Severity

from .runs import make_run, one, symptoms

ROOT = np.sqrt(784 * 30), np.sqrt(30 * 10)


def norms(**by_site):
    return {(f"{site}.weight", "gradient.norm"): points for site, points in by_site.items()}


class TestVanishing:
    def ratio(self, value, learns=None):
        first, last = dict.fromkeys(range(50), value * ROOT[0]), dict.fromkeys(range(50), ROOT[1])
        return make_run(norms(hidden1=first, output=last), learns=learns)

    def test_fires_and_says_how_much_smaller(self):
        found = one("NND303", self.ratio(1e-4, learns=False))
        assert found.site == "hidden1" and found.severity is Severity.ERROR
        assert "10,000 × smaller than that of output" in found.message

    @pytest.mark.parametrize(("value", "fires"), [(1.01e-3, False), (0.99e-3, True)])
    def test_boundary(self, value, fires):
        assert bool(symptoms("NND303", self.ratio(value))) == fires

    def test_silent_on_a_healthy_ratio(self):
        assert not symptoms("NND303", self.ratio(0.54))

    def test_zero_is_the_smallest(self):
        assert "gradient is zero" in one("NND303", self.ratio(0.0)).message


class TestExploding:
    def jump(self, factor, after=2.0):
        gradients = dict.fromkeys(range(100), 1.0) | {100: factor} | dict.fromkeys(range(101, 120), 1.0)
        losses = dict.fromkeys(range(101), 0.5) | dict.fromkeys(range(101, 120), after)
        return make_run({**norms(hidden1=gradients), ("run", "loss"): losses})

    def test_fires_at_the_step(self):
        found = one("NND304", self.jump(500.0))
        assert found.first_step == 100 and "500 × its running median" in found.message

    @pytest.mark.parametrize(("factor", "fires"), [(100.0, False), (100.1, True)])
    def test_boundary(self, factor, fires):
        assert bool(symptoms("NND304", self.jump(factor))) == fires

    def test_silent_when_the_loss_does_not_rise(self):
        assert not symptoms("NND304", self.jump(500.0, after=0.5))


class TestGradientCollapse:
    def fall(self, share, learns=False):
        points = {s: 1.0 if s < 50 else share for s in range(300)}
        return make_run(norms(hidden1=points, output=dict.fromkeys(range(300), 1.0)), learns=learns)

    def test_fires_with_the_step_since_when(self):
        found = one("NND305", self.fall(1e-6))
        assert found.site == "hidden1" and found.severity is Severity.ERROR
        assert 0 <= found.first_step <= 50
        assert "fell to 1e-6 of its start" in found.message

    @pytest.mark.parametrize(("share", "fires"), [(1.01e-3, False), (0.99e-3, True)])
    def test_boundary(self, share, fires):
        assert bool(symptoms("NND305", self.fall(share))) == fires

    def test_silent_when_the_loss_is_low(self):
        assert not symptoms("NND305", self.fall(1e-6, learns=True))

    def test_a_few_small_ones_are_no_collapse(self):
        points = {s: 1e-9 if s % 3 == 0 else 1.0 for s in range(300)}
        assert not symptoms("NND305", make_run(norms(hidden1=points), learns=False))
