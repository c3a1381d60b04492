"""A report as one self-contained HTML page: readable without its script, no request to anywhere, one file."""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache
from pathlib import Path

import jinja2
from markupsafe import Markup

from ..atomic import write_atomically
from . import png, svg
from .layers import BEFORE_SCROLLING
from .model import Report
from .text import listing, plural

MARKS = {"error": "▲", "warning": "■", "info": "●", "passed": "○"}


def render(report: Report) -> str:
    """The page as text.

    Args:
        report: what `build` made.
    """
    codes = {page.code for page in report.pages}
    return environment().get_template("report.html.j2").render(report=report, page_codes=codes)


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
def environment() -> jinja2.Environment:
    """The templates with what they may call; everything from outside is escaped."""
    found = jinja2.Environment(
        loader=jinja2.PackageLoader("nndebug.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    style, script = _asset("style.css"), _asset("report.js")
    found.globals |= {
        "chart_svg": svg.chart_svg,
        "layer": svg.layer,
        "legend": svg.legend,
        "listing": listing,
        "many": BEFORE_SCROLLING,
        "marks": MARKS,
        "picture": png.address,
        "plural": plural,
        "policy": policy(style, script),
        "rail_svg": svg.rail_svg,
        "severity_of": {mark: severity for severity, mark in MARKS.items()},
        "script": Markup(script),
        "spark_svg": svg.spark_svg,
        "style": Markup(style),
        "themed": png.themed,
    }
    return found


def policy(style: str, script: str) -> str:
    """The page's Content-Security-Policy: this style, this script, pictures inside the file, and nothing else.

    Attributes may set a place or a colour: what they could load is forbidden as well.
    """
    parts = {
        "default-src": "'none'",
        "style-src-elem": f"'{_hash(style)}'",
        "style-src-attr": "'unsafe-inline'",
        "script-src": f"'{_hash(script)}'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in parts.items())


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _asset(name: str) -> str:
    """A file beside the templates, as it will stand between its tags."""
    text = (Path(__file__).parent / "templates" / name).read_text("utf-8")
    return "\n".join(line.strip() for line in text.splitlines() if not line.strip().startswith("//"))
