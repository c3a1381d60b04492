"""Rules on several processes, on runs made by hand as merging leaves them."""

import pytest

from nndebug.findings import Severity

from .runs import make_run, one, symptoms

HIDDEN, OUTPUT = "hidden1.weight", "output.weight"


def replicas(what, differences, off=2, **manifest):
    """Tensor → {step: difference}; rank 2 is off, or all are where `off` is -1."""
    series = {}
    for site, points in differences.items():
        series[site, f"ranks.{what}_difference"] = points
        series[site, f"ranks.{what}_rank"] = dict.fromkeys(points, off)
    return make_run(series, **manifest)


class TestGradientDiffers:
    def test_names_the_first_tensor_rank_and_step(self):
        found = one("NND421", replicas("gradient", {OUTPUT: {0: 0, 20: 0.3}, HIDDEN: {0: 0, 20: 0.2, 30: 0}}))
        assert (found.site, found.first_step, found.evidence["rank"]) == (HIDDEN, 20, 2)
        assert found.severity is Severity.ERROR and "(and 1 more)" in found.message

    def test_where_no_rank_shares_its_gradient_none_is_the_odd_one(self):
        found = one("NND421", replicas("gradient", {HIDDEN: {0: 0.3}}, off=-1))
        assert found.message.startswith(
            "every rank has a gradient of its own from step 0 on: the norms differ"
        )
        assert not found.evidence["alone"] and "-1" not in str(found)

    def test_silent_where_all_are_equal(self):
        assert not symptoms("NND421", replicas("gradient", {HIDDEN: {0: 0.0, 20: 0.0}}))

    @pytest.mark.parametrize(("difference", "fires"), [(1e-6, False), (1.01e-6, True)])
    def test_boundary(self, difference, fires):
        assert bool(symptoms("NND421", replicas("gradient", {HIDDEN: {0: difference}}))) == fires

    def test_one_tensor_alone_that_is_not_exchanged(self):
        found = one("NND421", replicas("gradient", {HIDDEN: {0: 0, 1: 0}, OUTPUT: {0: 0, 1: 0.1}}))
        assert found.site == OUTPUT and "more" not in found.message


class TestParametersDiffer:
    def test_fires_and_tells_of_the_seed(self):
        seeds = [{"rank": 0, "seed": 0, "steps": 9}, {"rank": 2, "seed": 7, "steps": 9}]
        found = one("NND422", replicas("parameter", {HIDDEN: {0: 1.4}}, ranks=seeds))
        assert found.first_step == 0 and "its seed is 7, theirs 0" in found.message

    def test_between_two_records_it_may_have_begun_at_any_step(self):
        found = one("NND422", replicas("parameter", {HIDDEN: {0: 0, 50: 0, 100: 0.1}}))
        assert "from step 100 on (equal at step 50)" in found.message
        assert found.help.startswith("average every gradient")  # they began as equals
        assert one("NND422", replicas("parameter", {HIDDEN: {0: 0.1}})).help.startswith("broadcast")

    def test_where_all_have_their_own_none_is_the_odd_one(self):
        seeds = [{"rank": rank, "seed": rank, "steps": 9} for rank in range(3)]
        found = one("NND422", replicas("parameter", {HIDDEN: {0: 1.4}}, off=-1, ranks=seeds))
        assert found.message.startswith("every rank has parameters of its own from step 0 on")
        assert found.message.endswith("so is its seed")

    def test_silent_where_all_are_equal(self):
        assert not symptoms("NND422", replicas("parameter", {HIDDEN: {0: 0.0, 50: 1e-9}}))

    @pytest.mark.parametrize(("difference", "fires"), [(1e-6, False), (1.01e-6, True)])
    def test_boundary(self, difference, fires):
        assert bool(symptoms("NND422", replicas("parameter", {HIDDEN: {30: difference}}))) == fires


def of_run(steps, **series):
    return make_run({("run", f"ranks.{name}"): dict(zip(steps, values)) for name, values in series.items()})


class TestSamplesShared:
    def test_names_the_rank(self):
        found = one("NND423", of_run([0, 100], same_samples=[0.0, 0.4], same_samples_rank=[1, 3]))
        assert (
            found.message.startswith("rank 3 trains on samples that other ranks have")
            and found.first_step == 100
        )

    def test_all_of_them(self):
        found = one("NND423", of_run([0], same_samples=[1.0], same_samples_rank=[-1]))
        assert found.message.startswith("ranks train on the same samples")

    def test_silent_where_they_are_disjoint(self):
        assert not symptoms("NND423", of_run([0, 100], same_samples=[0, 0], same_samples_rank=[1, 1]))

    @pytest.mark.parametrize(("share", "fires"), [(0.049, False), (0.05, True)])
    def test_boundary(self, share, fires):
        run = of_run([0], same_samples=[share], same_samples_rank=[1])
        assert bool(symptoms("NND423", run)) == fires


class TestLossApart:
    def run(self, ratios, distance=9.0, ranks=(2, 2, 2)):
        steps = [0, 8, 16][: len(ratios)]
        return of_run(steps, loss_ratio=ratios, loss_distance=[distance] * len(ratios), loss_rank=ranks)

    def test_names_the_rank_and_since_when(self):
        found = one("NND424", self.run([1.0, 1.8, 2.0]))
        assert found.first_step == 8 and "rank 2" in found.message and found.evidence["ratio"] == 1.8

    def test_a_loss_that_is_too_low_is_odd_too(self):
        assert one("NND424", self.run([0.5, 0.4])).first_step == 0

    @pytest.mark.parametrize(
        ("run", "fires"),
        [
            (([1.5, 1.5],), True), (([1.49, 1.49],), False), (([1.5, 1.5], 4.0), True), (([1.5, 1.5], 3.9), False),
            (([1.5, 1.0, 1.5],), False), (([1.5, 1.5], 9.0, (1, 2)), False),
        ],
    )  # fmt: skip
    def test_boundary(self, run, fires):
        assert bool(symptoms("NND424", self.run(*run))) == fires


class TestSlow:
    def run(self, ratios, share=0.5, seconds=0.1):
        n = len(ratios)
        return of_run(
            [8, 16, 24][:n],
            slower=ratios,
            slower_share=[share] * n,
            slower_seconds=[seconds] * n,
            slower_rank=[1] * n,
        )

    def test_names_the_rank_and_what_it_costs(self):
        found = one("NND425", self.run([3.0, 3.2]))
        assert (
            found.first_step == 8
            and "rank 1 takes 3.0 times as long" in found.message
            and "50 %" in found.message
        )

    @pytest.mark.parametrize(
        ("run", "fires"),
        [
            (([2.0, 2.0],), True), (([1.9, 1.9],), False), (([2.0, 1.0, 2.0],), False), (([2.0, 2.0], 0.19), False),
            (([2.0, 2.0], 0.2, 0.009), False), (([2.0, 2.0], 0.2, 0.01), True),
        ],
    )  # fmt: skip
    def test_boundary(self, run, fires):
        assert bool(symptoms("NND425", self.run(*run))) == fires


class TestStopped:
    def run(self, *steps, status="finished", world=None):
        told = [
            {"rank": i, "steps": s, "status": status if s < max(steps) else "finished"}
            for i, s in enumerate(steps)
        ]
        return make_run({("run", "ranks.present"): [2.0] * 8}, ranks=told, world=world or len(told))

    def test_names_the_rank_and_its_last_step(self):
        found = one("NND426", self.run(1000, 31, status="running"))
        assert "rank 1 stopped after 31 of 1,000 steps" in found.message and found.first_step == 31

    def test_one_that_left_nothing(self):
        assert "rank 2 of 3 left no record" in one("NND426", self.run(1000, 1000, world=3)).message

    def test_silent_where_all_came_as_far(self):
        assert not symptoms("NND426", self.run(1000, 1000))

    @pytest.mark.parametrize(("steps", "fires"), [(950, False), (949, True)])
    def test_boundary_of_those_that_ended_in_order(self, steps, fires):
        assert bool(symptoms("NND426", self.run(1000, steps))) == fires
