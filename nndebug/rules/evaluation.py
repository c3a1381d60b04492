"""NND6: evaluation."""

from __future__ import annotations

from collections.abc import Iterator

from ..findings import Symptom
from ..registry import rule
from ..run import Run
from .outcome import severity


@rule("NND603", "chance-accuracy", needs=("validation.accuracy",))
def chance_accuracy(
    run: Run, *, slack: float = 2.0, least: int = 50, alike: float = 0.9
) -> Iterator[Symptom]:
    """The accuracy is the share of one class, to the sample: the network answers always the same.

    What it measures: right answers on the validation set against the number of samples of each class in it, at two
    epochs in a row, for an accuracy near chance, where 90 % of the predictions on the probe are one class.

    Why it matters: "10 %" is not a bad network, it is a constant one, or an evaluation that looks at the wrong thing.

    What to try: if the loss falls meanwhile, the evaluation is wrong; else see the cause above.

    False alarms: a coincidence to the sample at two epochs is unlikely; accuracies above 2 × chance and sets of fewer
    than 50 samples are not looked at.

    References: A. Karpathy, "A Recipe for Training Neural Networks", 2019.
    """
    counts = run.manifest.get("validation_counts") or []
    accuracy = run.series("validation.accuracy")
    total = sum(counts)
    shares = run.series("probe.top_class_share")
    if total < least or len(accuracy) < 2 or (shares and shares.last < alike):
        return
    last = [round(value * total) for value in accuracy.values[-2:]]
    if not all(value in counts for value in last) or accuracy.last > slack * max(counts) / total:
        return
    equal = [label for label, count in enumerate(counts) if count == last[-1]]
    top = int(run.series("probe.top_class").last) if run.has("probe.top_class") else -1
    label = top if top in equal else equal[0]
    yield Symptom(
        "run",
        f"validation accuracy {accuracy.last:.1%} is the share of class {label} to the sample ({last[-1]} of {total})",
        severity(run),
        first_step=int(accuracy.steps[-2]),
        last_step=run.steps,
        evidence={
            "class": label,
            "right": last[-1],
            "samples": total,
            "series": [{"name": "validation.accuracy", "site": "run"}],
        },
        help="look at what the network predicts; if the loss falls meanwhile, check the evaluation",
    )
