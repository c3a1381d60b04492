"""All content of a report as plain frozen data: what the HTML page, the PNG and any other renderer draw.

Texts in here are already clean (`text.clean`), series already thinned; renderers only lay out. The data
round-trips through JSON: `Report.from_json(json.loads(json.dumps(report.to_json())))` equals `report`.
"""

from __future__ import annotations

import types
import typing
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from typing import Any, Union, get_args, get_origin, get_type_hints

GAP = None
"""The y of a point that is not finite: the line is interrupted there."""


@dataclass(frozen=True)
class Line:
    """One thinned series: `x` ascending, `y` with None where the value is not finite.

    `tone` is 0 for the first colour (blue) to 1 for the second (amber), in between for layers in between. A noisy
    line among others has a `trend` (medians) to draw over its own, then faint, points.
    """

    label: str
    x: tuple[float, ...]
    y: tuple[float | None, ...]
    tone: float = 0.0
    last: str = ""
    points: bool = False
    trend: tuple[tuple[float, float], ...] = ()
    layer: int = -1


@dataclass(frozen=True)
class Reference:
    """A horizontal dashed line with its meaning."""

    value: float
    label: str


@dataclass(frozen=True)
class Band:
    """The steps to look at, marked in red."""

    first: float
    last: float
    label: str


@dataclass(frozen=True)
class NotFinite:
    """A place where a series is NaN or infinite."""

    x: float
    label: str


@dataclass(frozen=True)
class Table:
    """Numbers as text; a row has as many cells as the header."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


@dataclass(frozen=True)
class Chart:
    """Lines over steps or epochs. `low` and `high` bound the y axis; `percent` shows shares of one."""

    key: str
    title: str
    unit: str
    how: str
    lines: tuple[Line, ...]
    low: float
    high: float
    x_low: float
    x_high: float
    description: str = ""
    x_label: str = "step"
    x_log: bool = False
    y_log: bool = False
    percent: bool = False
    references: tuple[Reference, ...] = ()
    band: Band | None = None
    not_finite: tuple[NotFinite, ...] = ()
    table: Table = field(default_factory=lambda: Table((), ()))


@dataclass(frozen=True)
class HeatMap:
    """A small picture, one pixel a cell; a cell is an index into the palette (see `png.PALETTES`).

    `rows` names the rows from the top down; `ticks` are places (0 left, 1 right) and labels below; `lines` puts
    thin lines between the cells. A `profile` is each row as text, a cell a digit of base 62 in proportion to what it
    holds, for a reader who picks one row to see its shape.
    """

    key: str
    title: str
    palette: str
    cells: tuple[tuple[int, ...], ...]
    how: str
    description: str = ""
    rows: tuple[str, ...] = ()
    ticks: tuple[tuple[float, str], ...] = ()
    lines: bool = False
    table: Table = field(default_factory=lambda: Table((), ()))
    profile: tuple[str, ...] = ()


@dataclass(frozen=True)
class ChainLink:
    """A card of the chain from the cause to its last consequence; `place` is its step on the time line, 0 to 1."""

    when: str
    site: str
    lead: str
    rest: str
    severity: str
    anchor: str
    root: bool = False
    place: float | None = None
    layer: int = -1


@dataclass(frozen=True)
class FindingView:
    """A finding with its pictures."""

    code: str
    name: str
    severity: str
    site: str
    lead: str
    rest: str
    when: str
    anchor: str
    help: str = ""
    chart: Chart | None = None
    map: HeatMap | None = None
    table: Table | None = None
    layer: int = -1

    @property
    def headline(self) -> str:
        """Where and what, in one line; what is about the whole run has no place."""
        return f"{self.site}: {self.lead}" if self.site else self.lead


@dataclass(frozen=True)
class CauseView:
    """A cause: what leads (shown open) and what follows (folded)."""

    kind: str
    sentence: str
    severity: str
    certainty: str
    when: str
    leading: tuple[FindingView, ...]
    following: tuple[FindingView, ...]
    supports: tuple[str, ...] = ()
    against: tuple[str, ...] = ()
    ruled_out: tuple[str, ...] = ()
    help: str = ""


@dataclass(frozen=True)
class LayerRow:
    """A layer at a glance; `sparks` in the order of `Report.spark_titles`."""

    site: str
    description: str
    state: str
    severity: str
    never_fire: str
    sparks: tuple[Chart | None, ...]
    anchor: str = ""
    layer: int = -1


@dataclass(frozen=True)
class LayerView:
    """A layer in full."""

    site: str
    description: str
    anchor: str
    maps: tuple[HeatMap, ...]
    statistics: Table | None = None
    images: HeatMap | None = None
    layer: int = -1


@dataclass(frozen=True)
class Sample:
    """One row of the training set as the network sees it."""

    row: str
    label: str
    prediction: str
    loss: str
    image: HeatMap | None = None


@dataclass(frozen=True)
class Samples:
    """The rows with the highest loss, the worst first."""

    title: str
    how: str
    samples: tuple[Sample, ...]


@dataclass(frozen=True)
class Confusion:
    """Counts by label (rows) and prediction (columns)."""

    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    summary: str


@dataclass(frozen=True)
class GradientRow:
    """One array of the gradient check; cells in the order of `GradientView.header`."""

    cells: tuple[str, ...]
    severity: str


@dataclass(frozen=True)
class MistakeView:
    """A coding mistake that gives the gradient found: the line that stands there and the one that belongs there."""

    name: str
    residual: str
    yours: str
    should: str


@dataclass(frozen=True)
class GradientFault:
    """A layer whose gradient or update is wrong; several mistakes are equal twins."""

    layer: str
    sentence: str
    mistakes: tuple[MistakeView, ...]
    orientation: str


@dataclass(frozen=True)
class GradientView:
    """The gradient check that was made before the first step."""

    severity: str
    summary: str
    header: tuple[str, ...]
    rows: tuple[GradientRow, ...]
    faults: tuple[GradientFault, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class TrialsView:
    """What was tried to decide between causes, a chart a change; `not_tried` are changes in words, and why."""

    severity: str
    summary: str
    how: str
    table: Table
    charts: tuple[Chart, ...]
    not_tried: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class RuleGroup:
    """Rules of one family that passed, or rules without a verdict and why."""

    title: str
    rules: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class RulePage:
    """The text of a rule that fired; blocks are ("heading" | "text" | "code", words)."""

    code: str
    name: str
    blocks: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Report:
    """Everything on the page, top to bottom."""

    title: str
    name: str
    summary: str
    length: str
    cost: str
    facts: tuple[str, ...]
    notice: str
    severity: str
    verdict: tuple[str, str]
    subline: str
    chain: tuple[ChainLink, ...]
    ticks: tuple[tuple[float, str], ...]
    causes: tuple[CauseView, ...]
    others: tuple[FindingView, ...]
    layers: tuple[LayerRow, ...]
    spark_titles: tuple[str, ...]
    learning: tuple[Chart, ...]
    flow: tuple[Chart, ...]
    details: tuple[LayerView, ...]
    details_note: str
    confusion: Confusion | None
    samples: Samples | None
    gradients: GradientView | None
    trials: TrialsView | None
    passed: tuple[RuleGroup, ...]
    unchecked: tuple[RuleGroup, ...]
    reproduce: tuple[tuple[str, str], ...]
    commands: tuple[tuple[str, str], ...]
    pages: tuple[RulePage, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain dicts, lists, strings, finite numbers and None."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Report:
        """The inverse of `to_json`."""
        return typing.cast(Report, _revive(cls, data))


def _revive(kind: Any, data: Any) -> Any:
    """Data of JSON as the type that its field declares."""
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        inner = [k for k in get_args(kind) if k is not type(None)]
        return None if data is None else _revive(inner[0], data)
    if origin is tuple:
        arguments = get_args(kind)
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return tuple(_revive(arguments[0], item) for item in data)
        return tuple(_revive(k, item) for k, item in zip(arguments, data))
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        return typing.cast(Any, kind)(**{f.name: _revive(hints[f.name], data[f.name]) for f in fields(kind)})
    return kind(data) if kind is float else data
