"""PNG files: the tiny palette ones of the page and the dashboard; Pillow decodes them, another implementation."""

from __future__ import annotations

import base64
import io
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nndebug.report import figures, png

Image = pytest.importorskip("PIL.Image")


@given(
    hnp.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, png.EMPTY)),
    st.sampled_from(sorted(png.PALETTES)),
    st.booleans(),
)
def test_a_heat_map_decodes_to_its_colours(cells, palette, dark):
    address = png.address(cells.tolist(), palette, dark)
    data = base64.b64decode(address.removeprefix("data:image/png;base64,"))
    image = np.asarray(Image.open(io.BytesIO(data)).convert("RGBA"))
    assert np.array_equal(image, np.array(png.PALETTES[palette][dark], dtype=np.uint8)[cells])


def test_heat_maps_are_tiny():
    cells = [[i % png.LEVELS for i in range(30)] for _ in range(9)]
    assert len(png.address(cells, "activity")) < 500


@pytest.mark.parametrize("which", ["sick", "healthy"])
def test_the_dashboard_is_a_picture_with_something_on_it(which, request, tmp_path):
    path = figures.dashboard(request.getfixturevalue(which), tmp_path / "deep" / "epoch-0001.png")
    image = np.asarray(Image.open(path).convert("RGB")).astype(int)
    assert image.shape == (946, 1408, 3)
    ink = (image.sum(axis=2) < 600).mean()
    assert 0.02 < ink < 0.5
    red = ((image[..., 0] > 150) & (image[..., 1] < 80) & (image[..., 2] < 80)).sum()
    assert (red > 5000) == (which == "sick")
    assert [p.name for p in path.parent.iterdir()] == ["epoch-0001.png"]


@pytest.fixture
def words(tmp_path, monkeypatch):
    """Draws a dashboard and gives the texts that it sets, in order."""
    from nndebug.report.canvas import Canvas

    def drawn(report):
        said, text = [], Canvas.text
        with monkeypatch.context() as patch:
            patch.setattr(
                Canvas,
                "text",
                lambda sheet, x, y, s, *a, **k: said.append(s) or text(sheet, x, y, s, *a, **k),
            )
            figures.dashboard(report, tmp_path / "x.png")
        return said

    return drawn


def test_the_dashboard_leaves_out_a_name_and_layers_that_nobody_knows(sick, words):
    said = words(sick)
    assert said[0] == sick.name and "Layers at a glance" in said and sick.layers[0].site in said
    said = words(replace(sick, name="", layers=()))
    assert said[0] == sick.summary and "Layers at a glance" not in said and "never fire" not in said


def test_the_code_of_a_rule_is_set_off_from_its_sentence(sick, words):
    cause = sick.causes[0]
    finding = replace(cause.leading[0], rest="and so on.", chart=None, map=None)
    said = words(replace(sick, causes=(replace(cause, leading=(finding,)),)))
    assert f"and so on. · {finding.code} {finding.name}" in said
    said = words(replace(sick, causes=(replace(cause, leading=(replace(finding, rest=""),)),)))
    assert f"{finding.code} {finding.name}" in said


def test_a_report_loads_no_plotting_library():
    script = "import sys, nndebug.report, nndebug.report.html, nndebug.report.terminal; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_words_are_as_wide_as_they_were_measured():
    """Else words that follow one another touch, and lines that were wrapped leave their card."""
    from nndebug.report.canvas import Canvas, quick_letters

    words = "output: the gradient of its weights fell to 1e-04 of its start;"
    with quick_letters():
        sheet = Canvas(1280, 60, 110)
        measured = sheet.text(40, 30, words, 13)
        pixels = np.asarray(Image.open(io.BytesIO(sheet.png())).convert("L"), dtype=int)
    ink = np.flatnonzero((pixels < 128).any(axis=0))
    assert (
        measured - 5 < (ink[-1] - ink[0]) / 1.1 <= measured
    )  # letters have room before and after their strokes
