"""What the report says of a layer."""

from __future__ import annotations

import sample

from nndebug.report.layers import details
from nndebug.run import Run


def test_a_row_of_statistics_is_about_one_step():
    """The norm is recorded at every step, the rest at some: they stand beside the norm of their own step."""
    run = Run(sample.manifest())
    rest = {"gradient.mean": 0.5, "gradient.std": 1.0, "gradient.minimum": -2.0, "gradient.maximum": 2.0}
    for step, more in ((0, rest), (1000, rest), (1500, {})):
        row = {"hidden1.weight": {"gradient.norm": 100.0 + step, **more}}
        run.add({"kind": "step", "step": step, "epoch": 1, "data": row})
    table = next(view for view in details(run, (), frozenset())[0] if view.site == "hidden1").statistics
    assert [row[1::5] for row in table.rows] == [("step 0", "100"), ("step 1,000", "1,100")]
