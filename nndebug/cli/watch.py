"""`nndebug watch`: a table of a run while it trains, in another terminal; it only reads the run folder."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UserError
from .common import OK, PIPE_WIDTH, Subparsers

if TYPE_CHECKING:
    from ..run import Run


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "watch",
        help="a live table of a run, in another terminal",
        description="Shows how a run is doing while it trains in another terminal; ends when the run ends.",
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder that is being written")
    parser.add_argument("--refresh", type=float, default=2.0, metavar="SECONDS", help="default: 2")
    parser.add_argument("--once", action="store_true", help="print the table once and end")


def run(args: argparse.Namespace) -> int:
    import sys

    from rich.console import Console
    from rich.live import Live

    from ..run import Run

    if not 0.1 <= args.refresh <= 3600:
        raise UserError(f"--refresh takes 0.1 to 3600 seconds, got {args.refresh:g}", help="--refresh 2")
    recorded = Run.load(args.run)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)
    if args.once or not console.is_terminal:
        with console.capture() as drawn:
            console.print(table(recorded))
        print("\n".join(line.rstrip() for line in drawn.get().splitlines()))
        return OK
    with Live(table(recorded), console=console, auto_refresh=False) as live:
        while recorded.manifest.get("status") == "running":
            time.sleep(args.refresh)
            recorded.refresh()
            live.update(table(recorded), refresh=True)
    return OK


def table(recorded: Run) -> Any:
    """What is to be seen of a run: where it is, a row a layer, and the findings."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from ..checking import check
    from ..report.layers import glance
    from ..report.learning import accuracy
    from ..report.terminal import STYLES, fact
    from ..report.text import clean, number, percent, plural

    result = check(recorded)
    layers = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in ("layer", "state", "never fire", "spread", "update:weight", "gradient norm"):
        layers.add_column(
            title, header_style="dim", justify="left" if title in ("layer", "state") else "right"
        )
    marks = {"error": "▲", "warning": "■", "info": "●", "passed": "○"}
    styles = {s.value: style for s, style in STYLES.items()} | {"passed": "green"}
    for row in glance(recorded, result.findings, result.causes)[:20]:
        figures = [spark.lines[0].last if spark else "–" for spark in row.sparks]
        state = Text(f"{marks[row.severity]} {row.state}", styles[row.severity])
        layers.add_row(Text(row.site), state, Text(row.never_fire), *map(Text, figures))
    loss, reached = recorded.series("probe.loss") or recorded.series("loss"), accuracy(recorded)
    parts = [
        clean(recorded.manifest.get("name") or "run", 60),
        clean(recorded.manifest.get("status") or "", 20),
        f"{plural(max(0, len(recorded.epochs) - 1), 'epoch')} of {clean(recorded.manifest.get('epochs', '?'), 10)}",
        plural(recorded.steps, "step"),
        f"loss {number(loss.last)}" if loss else "",
        f"accuracy {percent(reached[0])} on {reached[1]}" if reached else "",
    ]
    lines: list[Any] = [Text("  ".join(filter(None, parts)), "bold"), layers]
    mark, style = (result.severity.mark, STYLES[result.severity]) if result.severity else ("○", "green")
    verdict, findings = Table.grid(padding=(0, 1, 0, 0)), Table.grid(padding=(0, 1, 0, 0))
    verdict.add_row(Text(mark, style), clean(result.verdict, 400))
    for f in result.findings[:8]:
        cells = (f"  {f.severity.mark}", clean(f.code, 20), clean(f.site, 30), fact(f))
        findings.add_row(*(Text(cell, STYLES[f.severity]) for cell in cells))
    return Group(*lines, verdict, findings)
