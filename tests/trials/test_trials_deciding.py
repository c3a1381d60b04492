"""What trials do to a diagnosis: pure functions of plain data."""

import pytest

from nndebug.causes.evidence import PROOF
from nndebug.findings import Cause
from nndebug.trials.deciding import LEAST, NOMINATED, Outcome, decide, figures, outcome, yardstick
from nndebug.trials.result import Curve, Trial, Trials

CHANCE = 0.1


def curve(seed, reached, key=""):
    return Curve(key, seed, (0, 100, 200, 300), (CHANCE, reached, reached, reached))


def trial(change, *reached, cures=()):
    return Trial(change, change, cures, tuple(curve(seed, value) for seed, value in enumerate(reached)))


def trials(control, *tried):
    return Trials("accuracy", CHANCE, trial("", *control), tried, steps=300)


def cause(kind, certainty, sentence="It is so."):
    return Cause(kind, "hidden1", 0, certainty, sentence, explains=("0123456789ab",), help="do something")


HIGH, SCALE = cause("lr_too_high", 0.8), cause("unnormalised_input", 0.8, "The inputs are not scaled.")


def test_the_change_that_cures_decides_between_two_causes():
    found = trials((0.1, 0.1), trial("rate/10", 0.1), trial("standardise", 0.95, 0.9))
    (first, second), verdict = decide((HIGH, SCALE), HIGH.sentence, found)
    assert (first.kind, second.kind) == ("unnormalised_input", "lr_too_high")
    assert first.certainty > 0.9 > 0.6 > second.certainty
    assert (
        verdict
        == first.sentence
        == ("The inputs are not scaled (tried: standardise: accuracy 10 % → 92 % in 300 steps).")
    )
    assert first.tried == ("standardise: accuracy 10 % → 92 % in 300 steps; better from 2 of 2 starts",)
    assert first.help.startswith("standardise (tried: accuracy 10 %")
    assert second.against == ("what would cure it does nothing: rate/10: accuracy 10 % → 10 % in 300 steps",)


def test_where_nothing_cures_every_cause_loses_and_the_order_stays():
    found = trials((0.1,), trial("rate/10", 0.1), trial("standardise", 0.12))
    causes, verdict = decide((cause("unnormalised_input", 0.95), HIGH), "It is so.", found)
    assert [c.kind for c in causes] == ["unnormalised_input", "lr_too_high"]
    assert causes[0].certainty == pytest.approx(19 / 4 / (1 + 19 / 4), abs=1e-3)
    assert causes[1].certainty == pytest.approx(0.5)
    assert verdict == "It is so."


def test_a_change_counts_from_the_spread_of_the_control_on():
    """Skill is what is reached between chance (0.1) and 1; the control differs by 0.2 of it from start to start."""
    control = (0.1 + 0.9 * 0.3, 0.1 + 0.9 * 0.5)
    spread = yardstick(trials(control), 2)
    assert spread == pytest.approx(0.2)
    for extra, want in ((0.19, Outcome.NOTHING), (0.21, Outcome.CURES)):
        raised = [value + 0.9 * extra for value in control]
        found = trials(control, trial("rate/10", *raised))
        assert outcome(found, found.trials[0]) is want
    # From one of two starts alone it may be luck.
    found = trials(control, trial("rate/10", control[0] + 0.5, control[1]))
    assert outcome(found, found.trials[0]) is Outcome.NOTHING


def test_without_a_spread_a_change_must_do_something_all_the_same():
    control = (0.55, 0.55)
    for extra, want in ((0.9 * LEAST * 0.99, Outcome.NOTHING), (0.9 * LEAST * 1.01, Outcome.HELPS)):
        found = trials(control, trial("rate/10", *(value + extra for value in control)))
        assert outcome(found, found.trials[0]) is want


def test_of_two_cures_the_one_that_does_clearly_more_is_the_cause():
    found = trials((0.1, 0.1), trial("rate/10", 0.5, 0.5), trial("standardise", 0.95, 0.95))
    causes, _ = decide((HIGH, SCALE), "", found)
    assert [c.kind for c in causes] == ["unnormalised_input", "lr_too_high"]
    assert causes[1].certainty < 0.8


def test_of_two_equal_cures_the_upstream_one_comes_first():
    found = trials((0.1, 0.1), trial("rate/10", 0.9, 0.9), trial("standardise", 0.9, 0.9))
    causes, _ = decide((HIGH, SCALE), "", found)
    assert [c.kind for c in causes] == ["unnormalised_input", "lr_too_high"]


def test_a_cause_that_was_not_tried_loses_where_the_program_learns_without_its_cure():
    init = cause("init_too_large", 0.8)
    found = trials((0.1, 0.1), trial("standardise", 0.9, 0.9))
    causes, _ = decide((init, SCALE), "", found)
    assert [c.kind for c in causes] == ["unnormalised_input", "init_too_large"]
    assert causes[1].certainty < 0.5
    assert causes[1].against == (
        "it learns without a cure of this: standardise: accuracy 10 % → 90 % in 300 steps",
    )
    nothing = trials((0.1, 0.1), trial("standardise", 0.1))
    assert decide((init,), "", nothing)[0] == (init,)


def test_a_proof_stays_a_proof():
    proof = cause("constant_init", PROOF, "The weights are equal.")
    found = trials((0.1, 0.1), trial("init", 0.1, 0.1), trial("rate/10", 0.95, 0.95))
    causes, verdict = decide((proof, HIGH), proof.sentence, found)
    assert causes[0].kind == "constant_init"
    assert causes[0].certainty == PROOF
    assert verdict == proof.sentence
    assert causes[1].certainty < PROOF


def test_what_makes_it_worse_speaks_against_the_cause():
    found = trials((0.8, 0.8), trial("rate/10", 0.2))
    (only,), _ = decide((HIGH,), "", found)
    assert only.certainty < 0.5
    assert "makes it worse" in only.against[0]


def test_a_change_makes_it_worse_only_where_it_does_from_every_start():
    for reached, expected in (((0.2, 0.2), Outcome.HARMS), ((0.2, 0.8), Outcome.NOTHING)):
        tried = trial("rate/10", *reached)
        assert outcome(trials((0.8, 0.8), tried), tried) is expected


def test_a_cure_names_the_cause_that_no_rule_has_found():
    unknown = cause("not_learning", 0.0, "Its cause is not known.")
    found = trials(
        (0.1, 0.1), trial("standardise", 0.1), trial("rate*10", 0.9, 0.9), trial("rate*100", 0.9, 0.9)
    )
    causes, verdict = decide((unknown,), unknown.sentence, found)
    assert [(c.kind, c.certainty) for c in causes] == [("lr_too_low", NOMINATED)]
    assert causes[0].explains == unknown.explains
    assert (
        verdict
        == "Trials point to a learning rate that is too low: rate*10: accuracy 10 % → 90 % in 300 steps."
    )


def test_where_changes_of_several_kinds_cure_alike_none_is_sure():
    unknown = cause("not_learning", 0.0)
    found = trials((0.1, 0.1), trial("rate/10", 0.9, 0.9), trial("batch", 0.9, 0.9), trial("adam", 0.95, 0.9))
    (named,), _ = decide((unknown,), "", found)
    assert (named.kind, named.certainty) == ("lr_too_high", pytest.approx(NOMINATED / 3))


def test_what_helps_a_program_that_learns_names_no_cause():
    weak = cause("lr_too_high", 0.5)
    for control, kinds in ((0.6, ["lr_too_high"]), (0.5, ["lr_too_low", "lr_too_high"])):  # skill .56 and .44
        found = trials((control, control), trial("rate/10", 0.1, 0.1), trial("rate*10", 0.95, 0.95))
        assert [c.kind for c in decide((weak,), "", found)[0]] == kinds


def test_initial_values_that_grew_were_too_small():
    unknown = cause("not_learning", 0.0)
    found = trials((0.1, 0.1), trial("init", 0.9, 0.9, cures=("init_too_small",)))
    assert decide((unknown,), "", found)[0][0].kind == "init_too_small"


def test_a_strong_cause_is_not_displaced_by_what_else_cures():
    found = trials((0.1, 0.1), trial("rate/10", 0.1), trial("adam", 0.9, 0.9))
    causes, _ = decide((cause("lr_too_high", 0.95),), "", found)
    assert [c.kind for c in causes] == ["lr_too_high"]


def test_without_trials_or_causes_nothing_changes():
    assert decide((HIGH,), "so", None) == ((HIGH,), "so")
    assert decide((), "fine", trials((0.1,), trial("rate/10", 0.9))) == ((), "fine")
    assert decide((HIGH,), "so", trials((0.1,))) == ((HIGH,), "so")


def test_a_training_that_broke_off_has_reached_nothing():
    broken = Curve("", 0, (0, 100, 200), (0.1, 0.8, None))
    found = Trials("accuracy", CHANCE, trial("", 0.5), (Trial("rate/10", "rate", (), (broken,)),), steps=300)
    assert broken.reached is None
    assert found.skill(broken) == 0
    assert figures(found, found.trials[0]) == "accuracy 50 % → not finite in 300 steps"


def test_a_guess_that_trials_put_first_or_behind_is_told_as_such():
    guess = cause("unnormalised_input", 0.3, "Or perhaps: inputs on a raw scale.")
    first = cause(
        "lr_too_high", 0.45, "It rose. No cause is sure; the likeliest: a learning rate that is too high."
    )
    found = trials((0.1, 0.1), trial("rate/10", 0.1), trial("standardise", 0.95, 0.9))
    (now, then), verdict = decide((first, guess), first.sentence, found)
    assert verdict == now.sentence
    assert (
        verdict
        == "Trials point to inputs on a raw scale (tried: standardise: accuracy 10 % → 92 % in 300 steps)."
    )
    assert then.sentence == "Or perhaps: a learning rate that is too high."
    likely = cause("lr_too_high", 0.6, "The likeliest cause: a learning rate that is too high.")
    assert decide((likely, guess), likely.sentence, found)[0][1].sentence == then.sentence
