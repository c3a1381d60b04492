"""`Recorder`: what a loop tells is what is recorded, and bad input is refused in words."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nndebug
from network import SGD, CrossEntropy, Dense, ReLU, Sequential, fit
from network.data import load_digits
from nndebug.errors import UserError


def two_layers(recorder, rate=0.5, epochs=4, batch=32, until=None):
    """Softmax regression with a hidden ReLU layer, written out; gradients after the book."""
    x, y = load_digits().train
    x, rng = np.asarray(x, np.float64), np.random.default_rng(0)
    w1, w2 = rng.normal(0, 0.15, (64, 30)), rng.normal(0, 0.2, (30, 10))
    kept, done = [], 0
    with np.errstate(all="ignore"):
        for _ in range(epochs):
            for start in range(0, len(x), batch):
                a, t = x[start : start + batch], np.eye(10)[y[start : start + batch]]
                h = np.maximum(a @ w1, 0)
                z = h @ w2
                p = np.exp(z - z.max(axis=1, keepdims=True))
                p /= p.sum(axis=1, keepdims=True)
                loss = -np.log((p * t).sum(axis=1)).mean()
                delta = (p - t) / len(a)
                g2, g1 = h.T @ delta, a.T @ ((delta @ w2.T) * (h > 0))
                before = w1
                w1, w2 = w1 - rate * g1, w2 - rate * g2
                kept.append((loss, h, g1, before, w1))
                recorder.step(
                    loss=loss,
                    activations={"W1": h},
                    weights={"W1": w1, "W2": w2},
                    gradients={"W1": g1, "W2": g2},
                )
                done += 1
                if done == until:
                    return kept
            recorder.epoch(accuracy=float((p.argmax(1) == t.argmax(1)).mean()))
    return kept


def test_what_is_recorded_is_what_numpy_says(tmp_path):
    with nndebug.Recorder(tmp_path / "run", loss_at_chance=np.log(10), png=False, strict=True) as log:
        kept = two_layers(log)
    run = nndebug.Run.load(tmp_path / "run")
    assert run.steps == len(kept) and len(run.epochs) == 5
    for step in (1, 7, 49, 100):
        loss, h, g1, before, after = kept[step]
        assert run.series("loss").at(step) == loss
        assert run.series("activation.std", "W1").at(step) == pytest.approx(h.std(), rel=1e-9)
        assert run.series("gradient.norm", "W1.weight").at(step) == pytest.approx(
            np.linalg.norm(g1), rel=1e-9
        )
        assert run.series("weight.mean", "W1.weight").at(step) == pytest.approx(before.mean(), rel=1e-9)
        ratio = np.linalg.norm(after - before) / np.linalg.norm(before)
        assert run.series("update_ratio", "W1.weight").at(step) == pytest.approx(ratio, rel=1e-9)
    assert [(s.name, s.inputs, s.units) for s in run.sites] == [("W1", 64, 30), ("W2", 30, 10)]
    assert not log.result.causes and (tmp_path / "run" / "report.html").exists()
    assert nndebug.check(tmp_path / "run").to_json() == nndebug.check(log.run).to_json()


class Foreign:
    """An array of a framework that NumPy knows by DLPack only."""

    def __init__(self, values):
        self._values = values

    def __dlpack__(self, **options):
        return self._values.__dlpack__(**options)

    def __dlpack_device__(self):
        return self._values.__dlpack_device__()


@pytest.mark.parametrize("make", [Foreign, "graph", "bfloat16"])
def test_arrays_of_any_framework_are_read(make):
    values = np.arange(-4.0, 8.0, dtype=np.float32).reshape(3, 4)
    if isinstance(make, str):
        torch = pytest.importorskip("torch", reason="PyTorch is not installed")
        dtype = torch.bfloat16 if make == "bfloat16" else torch.float32
        given = torch.from_numpy(values).to(dtype).requires_grad_() * 1
    else:
        given = make(values)
    recorder = nndebug.Recorder()
    recorder.step(loss=1.0, weights={"W1": given})
    assert recorder.run.series("weight.norm", "W1.weight").first == pytest.approx(np.linalg.norm(values))
    assert recorder.run.series("weight.minimum", "W1.weight").first == -4.0


@pytest.mark.parametrize("chance", [np.log(10), None])
def test_a_rate_that_is_too_high_is_the_first_cause(chance):
    with nndebug.Recorder(loss_at_chance=chance, strict=True) as log:
        two_layers(log, rate=200.0)
    assert log.result.causes[0].kind == "lr_too_high"


@pytest.mark.parametrize(("rate", "uphill"), [(-0.05, True), (0.5, False)])
def test_updates_that_go_along_their_gradients_are_named(rate, uphill):
    with nndebug.Recorder(loss_at_chance=np.log(10), strict=True) as log:
        two_layers(log, rate=rate)
    assert ("wrong_update_sign" in [cause.kind for cause in log.result.causes][:1]) == uphill
    series = log.run.series("replay.claimed")
    assert list(series.steps) == [1, 2, 3, 4]  # of the first update nobody has shown the weights before it
    assert (series.values > 0).all() == uphill


def test_rules_that_need_what_was_not_given_say_so():
    with nndebug.Recorder(strict=True) as log:
        for step in range(60):
            log.step(loss=1.0 / (step + 1))
        log.epoch()
    missing = {skipped.code: skipped.reason for skipped in log.result.not_applicable}
    assert "gradient.norm" in missing["NND303"] and not log.result.findings


def test_the_first_array_that_is_not_finite_is_named_on_its_step():
    with nndebug.Recorder(interval=10, strict=True) as log:
        for step in range(200):
            bad = step >= 173
            h = np.full((4, 3), np.nan if bad else 1.0)
            log.step(loss=np.nan if bad else 1.0, activations={"h1": np.ones((4, 3)), "h2": h})
    (event,) = [e for e in log.run.events if e["event"] == "nonfinite"]
    assert (event["site"], event["signal"], event["step"]) == ("h2", "activation", 173)
    assert log.result.findings[0].code == "NND101"


class TestBadInput:
    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ({"loss": "high"}, "loss is a number"),
            ({"loss": np.ones(3)}, "shape \\(3,\\)"),
            ({"activations": np.ones(3)}, "mapping from names"),
            ({"weights": {"W": object()}}, "real numbers"),
            ({"weights": {"W": [[1, 2], [3]]}}, "cannot be read"),
            ({"gradients": {"W": np.ones(2, complex)}}, "real numbers"),
            ({"weights": {"W": np.ones((2, 3))}, "gradients": {"W": np.ones((3, 2))}}, "gradient"),
        ],
    )
    def test_it_is_refused_and_nothing_is_recorded(self, given, said):
        with nndebug.Recorder(strict=True) as log:
            with pytest.raises(UserError, match=said) as error:
                log.step(**given)
            assert error.value.help and log.run.steps == 0
            log.step(loss=1.0)
        assert log.run.steps == 1

    def test_a_shape_that_changes(self):
        with nndebug.Recorder(strict=True) as log:
            log.step(loss=1, activations={"h": np.ones((8, 3))}, weights={"W": np.ones((2, 3))})
            log.step(loss=1, activations={"h": np.ones((5, 3))}, weights={"W": np.ones((2, 3))})
            with pytest.raises(UserError, match=r"weights\['W'\] has shape \(3, 2\), was \(2, 3\)"):
                log.step(loss=1, weights={"W": np.ones((3, 2))})
            with pytest.raises(UserError, match=r"was \(batch, 3\)"):
                log.step(loss=1, activations={"h": np.ones((8, 4))})

    def test_after_the_end(self):
        log = nndebug.Recorder()
        log.close()
        log.close()
        with pytest.raises(UserError, match="closed"):
            log.step(loss=1.0)
        with pytest.raises(UserError, match="accuracy is a number"):
            nndebug.Recorder().epoch(accuracy="all")


@settings(max_examples=30)
@given(st.lists(st.floats(width=32), min_size=1, max_size=30), st.integers(1, 12))
def test_any_losses_are_taken(losses, interval):
    with nndebug.Recorder(interval=interval, strict=True) as log:
        for loss in losses:
            log.step(loss=np.float32(loss))
    np.testing.assert_array_equal(log.run.series("loss").values, losses)


def test_the_arrays_stay_as_they_are_and_tensors_are_read():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    w = torch.randn(4, 3, requires_grad=True)
    loss = (w**2).sum()
    loss.backward()
    frozen = np.ones((2, 3))
    frozen.setflags(write=False)
    with nndebug.Recorder(strict=True) as log:
        log.step(loss=loss, weights={"W": w}, gradients={"W": w.grad}, activations={"h": frozen})
    assert log.run.series("gradient.norm", "W.weight").first == pytest.approx(float(w.grad.norm()), rel=1e-6)
    assert w.requires_grad


def test_findings_are_those_of_the_core_on_the_same_training():
    x, y = load_digits().train
    net = Sequential(Dense(64, 30), ReLU(), Dense(30, 10), loss=CrossEntropy())
    with nndebug.watch(net, strict=True) as theirs, nndebug.Recorder(strict=True) as mine:
        net.hook("after_step", lambda optimizer: mine.step(weights=net.parameters, gradients=net.gradients))
        fit(net, (x, y), SGD(0.1), epochs=2, batch=32)
    for name in ("update_ratio", "gradient.norm", "weight.std"):
        one, other = (r.run.series(name, "hidden1.weight") for r in (mine, theirs))
        shared = [s for s in one.steps.tolist() if s > 0 and s in other.steps]
        np.testing.assert_allclose([one.at(s) for s in shared], [other.at(s) for s in shared], rtol=1e-4)
        assert len(shared) >= 50


@pytest.mark.parametrize(
    ("ending", "status", "code"), [("", "finished", 0), ("raise SystemError('no')", "interrupted", 1)]
)
def test_a_program_that_never_closes_leaves_a_whole_run(tmp_path, ending, status, code):
    program = f"""
import nndebug
log = nndebug.Recorder("run", report=False)
for step in range(70):
    log.step(loss=1 / (step + 1))
{ending}
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    run = nndebug.Run.load(tmp_path / "run")
    assert run.steps == 70 and run.manifest["status"] == status
    assert any(e["event"] == "crashed" for e in run.events) == bool(code)
