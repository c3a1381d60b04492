"""What a reader gains with JavaScript on: every interactive part, by pointer and by keyboard alone."""

import re

import numpy as np
import pytest

import nndebug
from nndebug.run import Run

keys = pytest.importorskip("selenium.webdriver.common.keys", reason="selenium is not installed").Keys


def column(browser, table, number):
    return [row.text for row in browser.all(f"{table} tbody tr td:nth-child({number})")]


def test_the_table_of_layers_sorts_both_ways(browser, sick):
    browser.open(sick)
    names = column(browser, ".layers", 1)
    assert [name.split("\n")[0] for name in names] == ["hidden1", "output"]
    head = browser.one(".layers th:nth-child(1)")
    head.find_element("css selector", "button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    browser.key(keys.ENTER)  # the button still has the focus
    assert head.get_attribute("aria-sort") == "descending"
    assert column(browser, ".layers", 1) == names[::-1]


def test_numbers_sort_as_numbers(browser, healthy):
    browser.open(healthy)
    browser.js("document.querySelectorAll('details').forEach(d => d.open = true)")
    heads = browser.all(".layer table.numbers th:last-child button")
    figures = "return [...arguments[0].closest('table').tBodies[0].rows].map(r => r.cells[r.cells.length - 1].innerText)"
    for head in heads:
        browser.js("arguments[0].click()", head)
        shown = [
            float(text.replace(",", ""))
            for text in browser.js(figures, head)
            if re.fullmatch(r"[-\d.,e]+", text)
        ]
        assert shown == sorted(shown)
    assert len(heads) >= 2


def test_a_link_of_the_chain_opens_the_folded_finding(browser, sick):
    browser.open(sick)
    folds = {fold.get_attribute("id"): fold for fold in browser.all("details.follow")}
    targets = [(a, a.get_attribute("href").split("#")[1]) for a in browser.all(".chain a")]
    link, folded = next((a, folds[name]) for a, name in targets if name in folds)
    assert folded.get_attribute("open") is None
    link.send_keys(keys.ENTER)
    assert browser.js("return new Promise(done => setTimeout(() => done(arguments[0].open), 50))", folded)


def test_one_button_opens_and_closes_all_that_follows(browser, sick):
    browser.open(sick)
    button = browser.one("#findings .all")
    assert button.text == "open all"
    button.send_keys(keys.SPACE)
    folds = browser.all("#findings details.follow")
    assert len(folds) >= 3
    assert all(fold.get_attribute("open") for fold in folds)
    assert (
        browser.js("return new Promise(done => setTimeout(() => done(arguments[0].textContent), 50))", button)
        == "close all"
    )
    button.click()
    assert not any(fold.get_attribute("open") for fold in folds)


def test_the_pointer_reads_a_chart(browser, healthy):
    browser.open(healthy)
    plot = browser.one("#loss .plot")
    box = browser.one("#loss .readout")
    assert not box.is_displayed()
    browser.point(plot)
    assert box.is_displayed()
    assert re.fullmatch(r"step [\d,]+: probe [\d.]+(, validation [\d.]+)?", box.text)
    browser.point(browser.one("h1"))
    assert not box.is_displayed()


def test_the_keyboard_reads_the_recorded_values(browser, healthy):
    browser.open(healthy)
    run = Run.load(healthy.parent)
    cursor = browser.one("#loss .cursor")
    browser.js("arguments[0].focus()", cursor)
    assert browser.one("#loss .readout").is_displayed()
    browser.key(keys.HOME)
    read = []
    for _ in range(12):
        text = cursor.get_attribute("aria-valuetext")
        step, value = re.match(r"step ([\d,]+): probe ([\d.]+)", text).groups()
        read.append((int(step.replace(",", "")), float(value)))
        browser.key(keys.ARROW_RIGHT)
    recorded = run.series("probe.loss")
    assert [step for step, _ in read] == recorded.steps[:12].tolist()
    assert [value for _, value in read] == pytest.approx(recorded.values[:12].tolist(), rel=0.005)
    browser.key(keys.END)
    assert int(cursor.get_attribute("aria-valuenow")) == recorded.steps[-1]
    browser.key(keys.PAGE_UP, keys.ARROW_LEFT)
    assert int(cursor.get_attribute("aria-valuenow")) < recorded.steps[-1]


def test_the_slider_picks_the_epoch_of_all_distributions(browser, healthy):
    browser.open(healthy)
    sliders = browser.all(".epochs input")
    assert len(sliders) == 2
    assert [s.get_attribute("aria-valuetext") for s in sliders] == ["epoch 12"] * 2
    before = [path.get_attribute("d") for path in browser.all(".shape path")]
    browser.js("arguments[0].focus()", sliders[0])
    browser.key(keys.HOME)
    assert [output.text for output in browser.all(".epochs output")] == ["birth"] * 2
    after = [path.get_attribute("d") for path in browser.all(".shape path")]
    assert len(after) >= 5
    assert all(a != b for a, b in zip(before, after))
    browser.key(keys.ARROW_RIGHT)
    assert sliders[1].get_attribute("aria-valuetext") == "epoch 1"
    median = browser.js(
        "return document.querySelector('[data-profile] tbody tr:nth-child(2) td:nth-child(4)').textContent"
    )
    assert f"median {median}," in browser.one(".shaped").text


def dimmed(browser):
    """Opacity of the lines by layer, in the charts of the flow."""
    pairs = browser.js(
        "return [...document.querySelectorAll('[id^=flow] path[data-label]')].map(p => [p.dataset.layer, getComputedStyle(p).opacity])"
    )
    return {layer: float(opacity) for layer, opacity in pairs}


def test_a_layer_lights_up_in_all_charts(browser, healthy):
    browser.open(healthy)
    assert len(set(dimmed(browser).values())) == 1
    browser.point(browser.one(".layers tbody tr:nth-child(2) td:nth-child(2)"))
    assert dimmed(browser)["1"] > dimmed(browser)["0"]
    browser.point(browser.one("h1"))
    assert len(set(dimmed(browser).values())) == 1


def test_the_name_of_a_layer_in_a_legend_keeps_it_in_sight_until_escape(browser, healthy):
    browser.open(healthy)
    button = browser.one("#flow-gradient .legend li:nth-child(1) button")
    browser.js("arguments[0].focus()", button)
    browser.key(keys.SPACE)
    assert button.get_attribute("aria-pressed") == "true"
    browser.point(browser.one("h1"))
    assert dimmed(browser)["0"] > dimmed(browser)["1"]
    browser.key(keys.ESCAPE)
    assert button.get_attribute("aria-pressed") == "false"
    assert len(set(dimmed(browser).values())) == 1


def test_the_numbers_of_every_chart_open_by_keyboard(browser, sick):
    browser.open(sick)
    data = browser.one("#loss details.data")
    browser.js("arguments[0].focus()", data.find_element("css selector", "summary"))
    browser.key(keys.ENTER)
    assert data.find_element("css selector", "table").is_displayed()


FOCUSABLE = """return [...document.querySelectorAll('a[href], button, input, summary, [tabindex="0"]')]
    .filter(e => e.checkVisibility({contentVisibilityAuto: true})).length"""
FOCUSED = """const e = document.activeElement; if (e === document.body) return null;
    e.dataset.visited = 1; const s = getComputedStyle(e);
    return s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2"""


@pytest.mark.parametrize("page", ["sick", "healthy"])
def test_tab_reaches_everything_in_order_and_leaves_again(browser, page, request):
    browser.open(request.getfixturevalue(page))
    wanted = browser.js(FOCUSABLE)
    assert wanted > 40
    visible = []
    for _ in range(wanted):
        browser.key(keys.TAB)
        visible.append(browser.js(FOCUSED))
    reached = browser.js("return document.querySelectorAll('[data-visited]').length")
    assert reached == wanted
    assert all(visible)


def test_a_single_epoch_has_a_shape_too(browser, tmp_path):
    with nndebug.Recorder(tmp_path / "run", report=False) as recorder:
        for _ in range(30):
            recorder.step(loss=1.0, weights={"a": np.random.default_rng(0).normal(size=(5, 4))})
    browser.open(nndebug.report(tmp_path / "run"))
    shapes = browser.all("[data-profile] .shape path")
    assert shapes and all(shape.get_attribute("d") for shape in shapes) and not browser.all(".epochs")
