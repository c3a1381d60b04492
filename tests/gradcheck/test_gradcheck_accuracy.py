"""Random correct networks and planted mistakes, a few of those that benchmarks/gradcheck_accuracy.py counts."""

import numpy as np
import pytest

accuracy = pytest.importorskip(
    "benchmarks.gradcheck_accuracy", reason="the benchmarks are not part of the source distribution"
)
networks = pytest.importorskip("benchmarks.accuracy.networks")
planting = pytest.importorskip("benchmarks.accuracy.planting")
judging = pytest.importorskip("benchmarks.accuracy.judging")


def no_alarm(first, count, dtype):
    for number in range(first, first + count):
        made = networks.case(number, dtype)
        check = accuracy.checked(made, samples=len(made.x))
        assert check.exit_code != 1, f"case {number}: {made.network.describe()}\n{check}"
        yield bool(check)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_no_false_alarm_on_a_few_random_networks(dtype):
    assert all(no_alarm(20_000, 10, dtype))


# 30563: cross-entropy of two saturated sigmoids whose sum is 1e-12; 37: probabilities of 1e-20 beside larger ones;
# 931: a loss and a slope of 1e-4, from the logarithm of a number near 1; 1040: a batch norm that bends within the step that
# holds the chain against the network; 265: probabilities in float32, which sum to 1 to seven digits
@pytest.mark.parametrize(
    ("number", "dtype"), [(n, "float64") for n in (30_563, 37, 931, 1040)] + [(265, "float32")]
)
def test_no_false_alarm_on_networks_that_gave_one(number, dtype):
    made = networks.case(number, dtype)
    assert accuracy.checked(made, samples=accuracy.rows(made))


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "count"), [("float64", 1000), ("float32", 200)])
def test_no_false_alarm_on_many_random_networks(dtype, count):
    # One in a thousand may stay unresolved; of a thousand networks more than three then do in one count of fifty.
    assert np.mean(list(no_alarm(30_000, count, dtype))) >= 0.997


def judged(kind, first, count):
    for number, planted in planting.all_planted(kind, first, count):
        check = accuracy.checked(planted.case, kind.group in ("penalty", "update"))
        yield number, judging.judge(kind, planted, check)


# Every second kind at every run of the tests, the others among the slow ones.
@pytest.mark.parametrize(
    "kind",
    [pytest.param(k, marks=pytest.mark.slow if i % 2 else ()) for i, k in enumerate(accuracy.KINDS)],
    ids=lambda kind: kind.name,
)
def test_a_planted_mistake_is_found_placed_and_named(kind):
    ((number, judgement),) = judged(kind, planting.FIRST, 1)
    assert judgement == judging.Judgement(found=True, placed=True, named=True), number


@pytest.mark.slow
def test_mistakes_are_found_placed_and_named_as_often_as_promised():
    judgements = [j for kind in accuracy.KINDS for _, j in judged(kind, 2_000_000, 10)]
    assert all(j.found for j in judgements)
    assert np.mean([j.placed for j in judgements]) >= 0.995
    assert np.mean([j.named for j in judgements]) >= 0.95
    assert np.mean([j.wrong for j in judgements]) <= 0.005


def test_a_case_is_made_from_its_number_alone():
    one, again, other = networks.case(7), networks.case(7), networks.case(8)
    assert one.network.describe() == again.network.describe() != other.network.describe()
    assert np.array_equal(one.network.flat_parameters, again.network.flat_parameters)
    assert np.array_equal(one.x, again.x)


def test_average_pooling_of_one_entry_a_window_is_named_as_pooling():
    (kind,) = [kind for kind in accuracy.KINDS if kind.name == "mean pool: kernel's size"]
    ((_, judgement),) = judged(kind, 1_000_487, 1)  # two by one entries, padded: an identity, divided by 2
    assert judgement == judging.Judgement(found=True, placed=True, named=True)


def test_a_count_that_was_cut_off_goes_on_where_it_stands(tmp_path, capsys):
    done = pytest.importorskip("benchmarks.accuracy.done").Done
    file = tmp_path / "cases.jsonl"
    first = accuracy.correct("float64", range(3), done(file))
    lines = file.read_text().splitlines()
    file.write_text("\n".join(lines[:2]) + "\n" + lines[2][:20])  # killed while it wrote the third
    again = accuracy.correct("float64", range(3), done(file))
    assert first["agrees"] == again["agrees"] == 3
    assert file.read_text().splitlines()[:2] == lines[:2]
    assert [row["number"] for row in done(file).of("float64")] == [0, 1, 2]
    kind = accuracy.KINDS[0]
    for per_kind in (1, 2, 2):
        accuracy.mistakes((kind,), planting.FIRST, per_kind, done(file))
    numbers = [row["number"] for row in done(file).of(kind.name)]
    assert len(numbers) == 2 == len(set(numbers))
    assert f"| {kind.name} | 2 | 2 | 2 | 2 | 0 | 0 |" in capsys.readouterr().out
