"""The HTML page: what it says, that it is whole, and that it needs nothing but itself."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from pathlib import Path

import pytest
import sample
from page import Page

import nndebug.report
from nndebug.errors import UserError
from nndebug.findings import Severity
from nndebug.report import build, html, settings
from nndebug.signals import Site

STYLE = Path(html.__file__).parent / "templates" / "style.css"


@pytest.fixture(params=["sick_page", "healthy_page"])
def page(request) -> Page:
    return request.getfixturevalue(request.param)


def test_the_title_begins_with_the_verdict(sick_page, healthy_page):
    assert sick_page.text("title").startswith(
        "The learning rate is too high: the first step killed 8 of hidden1's 30"
    )
    assert healthy_page.text("title").startswith("Nothing is wrong: 22 rules passed")


def test_the_verdict_names_cause_step_and_layer_and_is_coloured(sick, sick_page):
    assert sick.verdict == (
        "The learning rate is too high:",
        "the first step killed 8 of hidden1's 30 ReLU units.",
    )
    assert "▲" in sick_page.text()
    assert {"class": "error"} in sick_page.all("span")
    assert "Accuracy 9.7\u00a0% on validation" in sick.subline
    assert "Certainty 97\u00a0%. Nothing speaks against it." in sick.subline


@pytest.mark.parametrize("severity", ["error", "warning"])
def test_severity_decides_the_colour_and_the_mark_of_the_cause(sick, severity):
    page = html.render(replace(sick, severity=severity))
    assert page.count(f'data-severity="{severity}"') == 2  # the time line and its cards
    assert f'<span class="when">{html.MARKS[severity]} cause' in page


def test_consequences_are_folded_and_the_root_is_open(sick, sick_page):
    cause = sick.causes[0]
    assert [f.code for f in cause.leading] == ["NND411", "NND201"]
    folded = [a["id"] for a in sick_page.all("details") if "follow" in a.get("class", "")]
    assert folded == [f.anchor for f in cause.following]
    assert len(folded) == 3
    assert "lower the rate to 0.3 or clip gradients" in sick_page.text()
    assert "Ruled out: LeakyReLU" in sick_page.text()


def test_a_finding_shows_threshold_and_step(sick):
    chart = sick.causes[0].leading[0].chart
    assert chart.references[0].label == "healthy: below 4"
    assert chart.references[0].value == 4.0
    assert chart.band.label == "step 0: 6.2"
    assert chart.low < 4.0 < chart.high
    assert chart.y_log
    assert chart.x_log


def test_the_unit_map_marks_confirmed_dead_units(sick, healthy):
    from nndebug.report.png import WRONG

    cells = sick.causes[0].leading[1].map.cells
    assert [row.count(WRONG) for row in cells] == [3] + [11] * 8
    units = next(m for m in healthy.details[0].maps if m.palette == "activity")
    assert [row.count(WRONG) for row in units.cells] == [1] * 9


def test_layers_at_a_glance(sick, healthy):
    rows = {row.site: row for row in sick.layers}
    assert rows["hidden1"].never_fire == "11 of 30"
    assert rows["hidden1"].description == "Dense 784 → 30, ReLU"
    assert rows["hidden1"].severity == "error"
    assert rows["output"].never_fire == "–"
    assert all(spark is not None for spark in rows["hidden1"].sparks)
    assert [row.severity for row in healthy.layers] == ["passed", "passed"]
    ratio = rows["hidden1"].sparks[1]
    assert [r.value for r in ratio.references] == [1e-3]
    assert rows["hidden1"].sparks[0].references == ()


def test_what_nobody_knows_has_no_section_and_no_link(sick):
    page = Page(html.render(replace(sick, name="", layers=(), details=(), flow=(), learning=())))
    assert not page.errors and "Layers at a glance" not in page.text()
    places = page.values("id")
    assert "layers" not in places
    assert {a["href"][1:] for a in page.all("a") if a.get("href", "").startswith("#")} <= set(places)
    assert "Layers at a glance" in Page(html.render(sick)).text()


def test_of_many_layers_the_guilty_ones_are_seen_without_scrolling(tmp_path):
    sites = [Site(f"hidden{i}", "dense", "relu", 30, 30, ("weight",)).to_json() for i in range(1, 17)]
    run, result = sample.sick(tmp_path / "deep", sites=sites)
    overshoots = result.findings[0]
    findings = (
        replace(overshoots, site="hidden3", severity=Severity.WARNING),
        replace(overshoots, site="hidden9.weight"),
        replace(overshoots, site="hidden12"),
        replace(overshoots, site="hidden14"),
    )
    cause = replace(result.causes[0], layer="hidden14", explains=(findings[-1].fingerprint,))

    def shown(causes):
        rows = build(run, replace(result, findings=findings, causes=causes)).layers
        assert len(rows) == 16
        return [(row.site, row.severity) for row in rows[:6]]

    assert shown((cause,)) == [
        ("hidden14", "error"),
        ("hidden9", "error"),
        ("hidden12", "error"),
        ("hidden3", "warning"),
        ("hidden1", "passed"),
        ("hidden2", "passed"),
    ]
    assert [site for site, _ in shown(())][:4] == ["hidden9", "hidden12", "hidden14", "hidden3"]


def test_few_layers_stay_in_the_order_of_the_network(tmp_path):
    run, result = sample.sick(tmp_path / "run")
    findings = tuple(replace(f, site="output") for f in result.findings)
    report = build(run, replace(result, findings=findings, causes=()))
    assert [row.site for row in report.layers] == ["hidden1", "output"]


def test_loss_and_accuracy_have_their_reference_lines(sick):
    loss, accuracy = sick.learning
    assert loss.references[0].value == 0.45
    assert accuracy.references[0].value == 0.113
    assert [line.label for line in loss.lines] == ["probe", "validation"]
    assert (accuracy.low, accuracy.high) == (0.0, 1.0)


def test_rules_without_a_verdict_say_why(sick_page):
    words = sick_page.text()
    assert "Not applicable: 2 rules" in words
    assert "never recorded: validation.loss" in words
    assert "Suppressed: 1 rule" in words
    assert "Passed: 8 rules" in words


def test_a_healthy_page_says_what_was_checked_and_has_no_chain(healthy, healthy_page):
    assert healthy.chain == ()
    assert "What was checked and passed" in healthy_page.text()
    assert "dead relu" in healthy_page.text()
    assert not [a for a in healthy_page.all("ol") if "chain" in a.get("class", "")]


def test_the_samples_with_the_highest_loss_are_pictures_or_a_table(healthy, sick, healthy_page, sick_page):
    first, _ = healthy.samples.samples
    assert (first.row, first.label, first.prediction, first.loss) == ("4,502", "1", "2", "7.98")
    assert [row[i] for i, row in enumerate(first.image.cells)] == [15] * 28
    assert sum(map(sum, first.image.cells)) == 15 * 28
    assert "1 of them is answered wrongly" in healthy.samples.how
    assert "1, answered 2loss 7.98 row 4,502" in healthy_page.text()
    assert [s.image for s in sick.samples.samples] == [None] * 12
    assert "rowlabelansweredloss 0000.51100.5" in sick_page.text()


def test_sections_are_in_their_order(page):
    anchors = page.values("id")
    wanted = ["findings", "layers", "learning", "flow", "details", "predictions", "rules", "reproduce"]
    assert [a for a in anchors if a in wanted] == wanted


def test_reproduce_has_seed_command_and_versions(sick):
    facts = dict(sick.reproduce)
    assert facts["seed"] == "2"
    assert facts["command"].startswith("nndebug train --data mnist")
    assert "numpy 2.4.6" in facts["versions"]
    assert any(command.startswith("nndebug check ") for command, _ in sick.commands)
    assert ("nndebug rule NND411", "explains the first rule that fired") in sick.commands


def test_the_rule_pages_of_what_fired_are_on_the_page(sick, sick_page):
    assert [page.code for page in sick.pages][:2] == ["NND411", "NND201"]
    assert ("heading", "What to try") in sick.pages[1].blocks
    assert "rule-NND201" in sick_page.values("id")


def test_the_page_asks_for_nothing_from_anywhere(page):
    addresses = [
        v for name in ("src", "href", "srcset", "action", "poster", "xlink:href") for v in page.values(name)
    ]
    assert addresses
    assert all(v.startswith(("data:image/png;base64,", "#")) for v in addresses)
    assert not {"link", "iframe", "object", "embed", "form", "base", "video", "audio"} & page.tags
    assert "@import" not in STYLE.read_text()
    assert "url(" not in STYLE.read_text()
    policy = next(a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    assert "script-src 'sha256-" in policy
    assert "unsafe-inline" not in policy.replace("style-src-attr 'unsafe-inline'", "")


def test_the_one_script_and_the_one_style_are_those_that_the_policy_names(page):
    policy = next(a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    for tag in ("script", "style"):
        (text,) = [words for inside, words in page.words if inside == tag]
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert len(page.all("script")) == len(page.all("style")) == 1
    assert page.all("script") == [{}]


def test_elements_nest_identifiers_are_unique_and_links_lead_somewhere(page):
    assert page.errors == []
    names = page.values("id")
    assert len(names) == len(set(names))
    assert {v[1:] for v in page.values("href")} <= set(names)
    labels = " ".join(page.values("aria-labelledby")).split()
    assert labels
    assert set(labels) <= set(names)


def test_every_chart_has_title_description_reading_aid_and_data(sick, healthy):
    for report in (sick, healthy):
        charts = [
            *report.learning,
            *report.flow,
            *(f.chart for c in report.causes for f in (*c.leading, *c.following)),
        ]
        maps = [m for layer in report.details for m in (*layer.maps, layer.images) if m]
        assert len(charts) >= 5
        assert len(maps) >= 5
        for drawn in (*filter(None, charts), *maps):
            assert drawn.title
            assert drawn.description, drawn.key
            assert drawn.how, drawn.key
            assert len(drawn.table.rows) >= 2, drawn.key
            assert all(len(row) == len(drawn.table.header) for row in drawn.table.rows)


def test_svg_carries_title_and_description(page):
    pictures = [a for a in page.all("svg") if a.get("role") == "img"]
    assert len(pictures) >= 11
    described = {t for t, words in page.words if words.strip() and t in ("title", "desc")}
    assert described == {"title", "desc"}
    assert all(a["alt"] for a in page.all("img"))


def test_the_page_stays_small(sick, healthy):
    assert len(html.render(sick).encode()) < 300_000
    assert len(html.render(healthy).encode()) < 300_000


def test_a_running_run_says_so(tmp_path, sick_page):
    running = Page(html.render(build(*sample.sick(tmp_path / "run", status="running"))))
    assert "Still running" in running.text()
    assert "Still running" not in sick_page.text()


def test_write_is_atomic_and_the_report_is_callable(tmp_path, monkeypatch):
    run, result = sample.sick(tmp_path / "run")
    page = nndebug.report(run, result=result)
    assert page == run.folder / "report.html"
    before = page.read_bytes()

    def fails(path, data):
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", lambda *_: fails(None, None))
    with pytest.raises(OSError, match="disk full"):
        html.write(build(run, result), page)
    assert page.read_bytes() == before
    assert [p.name for p in page.parent.iterdir() if p.name.endswith(".tmp")] == []


def test_a_run_in_memory_needs_a_path():
    from nndebug.run import Run

    with pytest.raises(UserError, match="no folder"):
        nndebug.report(Run({"sites": []}), result=sample.healthy_result())


def _contrast(first: str, second: str) -> float:
    """WCAG 2 contrast of two colours like #fff or #1a1d21."""

    def luminance(colour: str) -> float:
        digits = colour[1:] if len(colour) == 7 else "".join(c * 2 for c in colour[1:])
        parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_text_has_contrast_in_both_themes():
    themes = re.findall(r":root \{(.*?)\}", STYLE.read_text(), re.DOTALL)[:2]
    assert len(themes) == 2
    for theme in themes:
        colours = dict(re.findall(r"--(\w+): (#\w+)", theme))
        for ground in ("page", "card"):
            for text in ("text", "soft", "red", "green", "blue", "amber"):
                assert _contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
        assert _contrast(colours["red"], colours["tint"]) >= 4.5
        assert _contrast(colours["text"], colours["tint"]) >= 4.5


def test_the_report_round_trips_through_json(sick, healthy):
    import json

    from nndebug.report.model import Report

    for report in (sick, healthy):
        text = json.dumps(report.to_json(), allow_nan=False)
        assert Report.from_json(json.loads(text)) == report
        assert html.render(Report.from_json(json.loads(text))) == html.render(report)


@pytest.mark.parametrize(
    ("recording", "training", "told"),
    [
        (0.12, 0.6, "recording took 0.12 s, 20\u00a0% of training"),
        (0.92, 23.1, "recording took 0.92 s, 4\u00a0% of training"),
        (0.02, 23.1, "recording took 0.02 s, under 1\u00a0% of training"),
        (1.2, 0.6, "recording took 1.2 s, 200\u00a0% of training"),
        (0.1, 0.0, ""),
        (None, 2.0, ""),
    ],
)
def test_the_header_gives_the_cost_in_seconds_and_as_a_share(recording, training, told):
    assert settings.cost({"recording_seconds": recording, "training_seconds": training}) == told


def test_the_cost_stands_in_the_header(sick_page):
    assert "recording took 0.92 s, 4 % of training" in sick_page.text()


@pytest.mark.parametrize(
    ("description", "told"),
    [
        ("64 → 30 relu → 10 sigmoid", "64 → 30 ReLU → 10 sigmoid"),
        ("64 → 30 sigmoid → 30 sigmoid → 10", "64 → 30 sigmoid → 30 sigmoid → 10"),
        ("64" + " → 30 sigmoid" * 300 + " → 10", "64 → 30 sigmoid (300 times) → 10"),
        ("", ""),
        (None, ""),
    ],
)
def test_an_architecture_in_one_line(description, told):
    assert settings.architecture(description) == told
    assert len(settings.architecture(" → ".join(f"{i} units" for i in range(90)))) <= 120


def test_a_probe_is_only_spoken_of_where_there_is_one(tmp_path):
    """Of PyTorch and of a loop of one's own the batches tell: no rows are fixed."""
    for number, (framework, is_fixed) in enumerate(
        (("torch 2.13.0", False), ("own loop", False), ("own class", True), ("", True))
    ):
        run, result = sample.sick(tmp_path / str(number), framework=framework)
        text = html.render(build(run, result))
        assert ("fixed sample of training rows" in text) == is_fixed, framework
        assert ("the last few hundred training samples" in text) != is_fixed, framework
        assert ("same fixed training rows every time" in text) == is_fixed, framework


def test_a_merged_run_has_its_own_name_and_says_of_how_many_ranks(tmp_path):
    run, result = sample.sick(tmp_path / "run", name="on-four", ranks=[{"rank": rank} for rank in range(4)])
    run.folder = None  # merged in memory
    report = build(run, result)
    assert report.name == "on-four" and report.length.endswith("steps, 4 ranks")
