"""NND0: do the parts fit?"""

from __future__ import annotations

from collections.abc import Iterator

from ..findings import Severity, Symptom
from ..registry import rule
from ..run import Run


@rule("NND001", "shape-mismatch")
def shape_mismatch(run: Run) -> Iterator[Symptom]:
    """An array has not the shape that was declared for it or that its layer needs.

    What it measures: shapes declared with `watch(net, shapes={"hidden1": "batch 30"})`, looked at in every forward
    pass, and the shape error that ended a training, if one did.

    Why it matters: NumPy broadcasts what happens to fit; a wrong shape that raises nothing trains a wrong network.

    What to try: the message names the layer, what it expects and what came; transposed data and a missing batch axis
    are the usual reasons.

    False alarms: a declared batch size is wrong for the last, smaller batch: declare a name ("batch 30"), not a number.

    References: NumPy manual, "Broadcasting".
    """
    for event in run.events:
        if event.get("event") == "shape":
            yield Symptom(
                str(event.get("site", "run")),
                str(event.get("message", "")),
                Severity.ERROR,
                first_step=int(event["step"]),
                help="rows are samples; compare the two shapes in the message",
            )
