"""A report as one self-contained HTML page: no script, no request to anywhere, one file."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import jinja2
from markupsafe import Markup

from ..atomic import write_atomically
from . import png, svg
from .model import Report
from .text import listing, plural

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
"""The page's Content-Security-Policy: styles and pictures inside the file, and nothing else."""

MARKS = {"error": "▲", "warning": "■", "info": "●", "passed": "○"}


def render(report: Report) -> str:
    """The page as text.

    Args:
        report: what `build` made.
    """
    return (
        _environment()
        .get_template("report.html.j2")
        .render(report=report, policy=POLICY, page_codes={page.code for page in report.pages})
    )


def write(report: Report, path: str | Path) -> Path:
    """Writes the page to a temporary file beside `path` and puts it in place: a reader sees the old or the new one.

    Raises:
        OSError: the folder cannot be written to.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, render(report).encode("utf-8", "replace"))
    return path


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("nndebug.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.globals |= {
        "chart_svg": svg.chart_svg,
        "legend": svg.legend,
        "listing": listing,
        "marks": MARKS,
        "plural": plural,
        "spark_svg": svg.spark_svg,
        "style": lambda: Markup(_style()),
        "picture": png.address,
    }
    return environment


@lru_cache(maxsize=1)
def _style() -> str:
    return (Path(__file__).parent / "templates" / "style.css").read_text("utf-8")
