"""Drawing while training stays within its share of the time; what was left out is drawn at the end, as it was then."""

import types
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nndebug
from nndebug import drawing
from nndebug.drawing import MOST_PICTURES, SHARE, Drawing
from nndebug.findings import CheckResult
from nndebug.report import build
from nndebug.run import Run
from tests.watching import make, train

RESULT = CheckResult("Nothing is wrong.", None)


class Clocked(Drawing):
    """Draws nothing; a page and a picture take so many seconds of a clock of its own."""

    def __init__(self, monkeypatch, page, picture):
        self.now, self.costs, self.pages, self.pictures = 0.0, (page, picture), [], []
        monkeypatch.setattr(drawing, "time", types.SimpleNamespace(perf_counter=lambda: self.now))
        super().__init__(Run({}), None, True)

    def train(self, epochs, seconds):
        for number in range(1, epochs + 1):
            self.now += seconds
            self._run.add_epoch(number, number, {})
            self.epoch(lambda: RESULT)
            assert self.seconds <= SHARE * self.now + 1e-9

    def _page(self, run, result):
        self.pages.append(self._last_epoch())
        self.now += self.costs[0]

    def _picture(self, run, result, number):
        self.pictures.append(number)
        self.now += self.costs[1]


@given(st.integers(1, 40), st.floats(0.01, 100), st.floats(0.01, 0.4), st.floats(0.01, 1.5))
def test_drawing_takes_at_most_its_share_and_misses_neither_the_last_nor_a_power_of_two(
    epochs, seconds, page, picture
):
    with pytest.MonkeyPatch.context() as patch:
        clocked = Clocked(patch, page, picture)
        clocked.train(epochs, seconds)
        live = list(clocked.pictures)
        clocked.finish(RESULT)
    after = clocked.pictures[len(live) :]
    assert (
        clocked.pages[-1] == after[0] == epochs
    )  # the last one may have been drawn while the run was going on
    assert len(after) <= 1 + MOST_PICTURES and not set(after[1:]) & set(live)
    wanted = {n for n in range(1, epochs + 1) if n in (1, 2, 4, 8, 16, 32, epochs) or epochs <= MOST_PICTURES}
    assert wanted <= set(clocked.pictures)


def test_where_there_is_time_every_epoch_is_drawn_at_once(monkeypatch):
    clocked = Clocked(monkeypatch, 0.1, 0.3)
    clocked.train(5, 100.0)
    assert clocked.pages == clocked.pictures == [1, 2, 3, 4, 5]


def test_after_an_interrupt_only_the_last_picture_is_drawn(monkeypatch):
    clocked = Clocked(monkeypatch, 0.1, 0.3)
    clocked.train(6, 0.1)
    clocked.finish(RESULT, complete=False)
    assert (clocked.pages, clocked.pictures) == ([6], [6])


@pytest.mark.parametrize(
    ("epochs", "earlier"),
    [(11, [*range(1, 11)]), (12, [1, 2, 4, 8]), (200, [1, 2, 4, 8, 16, 32, 64, 128]), (256, [1, 2, 4, 8, 16, 32, 64, 128])],
)  # fmt: skip
def test_of_many_epochs_few_are_drawn_and_the_last_one_first(monkeypatch, epochs, earlier):
    monkeypatch.setattr(Run, "until", lambda run, epoch: run)
    clocked = Clocked(monkeypatch, 0.1, 0.3)
    clocked.train(epochs, 0.001)
    clocked.finish(RESULT)
    assert clocked.pictures == [epochs, *earlier]


def test_the_picture_of_an_epoch_shows_what_was_known_then(tmp_path):
    network, live = make(), {}
    watching = nndebug.watch(network, tmp_path / "run", png=False, strict=True)

    def keep(result):
        live[result.epoch] = build(watching.run, nndebug.check(watching.run))

    with watching:
        network.hook("epoch", keep)
        train(network, epochs=4)
    run = Run.load(tmp_path / "run")
    for number in (1, 2, 3):
        then = run.until(number)
        drawn = build(then, nndebug.check(then))
        # Whether it still ran, and what it had cost, is said of the whole run; only a folder has commands.
        same = dict.fromkeys(("notice", "cost"), "") | {"commands": (), "name": "run"}
        assert replace(drawn, **same) == replace(live[number], **same)


def test_a_watched_training_leaves_the_page_and_every_picture(tmp_path):
    network = make()
    with nndebug.watch(network, tmp_path / "run", strict=True):
        train(network, epochs=3)
    assert "Still running" not in (tmp_path / "run" / "report.html").read_text("utf-8")
    assert sorted(path.name for path in (tmp_path / "run").glob("*.png")) == [
        f"epoch-{n:04d}.png" for n in (1, 2, 3)
    ]
