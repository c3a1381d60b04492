"""The page for every reader: axe-core, contrast, JavaScript off, print, small screens, and the first screen."""

import base64
import io
import re
import unicodedata
from pathlib import Path

import pytest
from report.hostile import result_of, run_of

from nndebug.report import build, html

from .conftest import trained

AXE = pytest.importorskip(
    "axe_core_python", reason="axe-core-python is not installed: pip install -e '.[test]'"
)
pypdf = pytest.importorskip("pypdf", reason="pypdf is not installed: pip install -e '.[test]'")

PAGES = ["sick", pytest.param("healthy", marks=pytest.mark.slow)]
OPEN_ALL = "document.querySelectorAll('details').forEach(d => d.open = true)"


@pytest.mark.parametrize("dark", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["light", "dark"])
@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(
    "numbers", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["folded", "all"]
)
def test_axe_finds_no_violation(browser, page, dark, numbers, request):
    browser.open(request.getfixturevalue(page), dark=dark)
    browser.js(OPEN_ALL if numbers else OPEN_ALL.replace("details", "details:not(.data)"))
    browser.js((Path(AXE.__file__).parent / "axe.min.js").read_text("utf-8"))
    found = browser.driver.execute_async_script(
        "const done = arguments[arguments.length - 1]; axe.run().then(r => done(r.violations), e => done([String(e)]))"
    )
    told = [
        f"{v['id']}: {[n['html'][:120] for n in v['nodes'][:3]]}" if isinstance(v, dict) else v for v in found
    ]
    assert told == []


CONTRAST = """
const canvas = document.createElement('canvas'); canvas.width = canvas.height = 1;
const pen = canvas.getContext('2d', {willReadFrequently: true});
const over = (colours) => { pen.clearRect(0, 0, 1, 1);
    for (const c of colours) { pen.fillStyle = c; pen.fillRect(0, 0, 1, 1); }
    return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3); };
const light = (rgb) => { const [r, g, b] = rgb.map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b; };
const poor = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
let count = 0;
while (walker.nextNode()) {
    const e = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !e.checkVisibility() || e.closest('script, style, title, desc')) continue;
    const style = getComputedStyle(e), grounds = [];
    for (let a = e; a; a = a.parentElement) grounds.unshift(getComputedStyle(a).backgroundColor);
    const ground = over(grounds), ink = over([...grounds, e.closest('svg') ? style.fill : style.color]);
    const [low, high] = [light(ground), light(ink)].sort((a, b) => a - b);
    const ratio = (high + .05) / (low + .05);
    count++;
    if (ratio < 4.5) poor.push(`${ratio.toFixed(2)} ${walker.currentNode.data.trim().slice(0, 40)}`);
}
return [count, poor];
"""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("page", PAGES)
def test_every_text_has_contrast(browser, page, dark, request):
    browser.open(request.getfixturevalue(page), dark=dark)
    browser.js(OPEN_ALL)
    count, poor = browser.js(CONTRAST)
    assert count > 500
    assert poor == []


def words(text: str) -> set[str]:
    text = unicodedata.normalize("NFKC", text)  # ligatures in print, ² in both
    return set(re.findall(r"[A-Za-z0-9][\w.,%-]*\w|\w", text))


READABLE = """return [...document.querySelectorAll('main, header')].map(part => {
    const copy = part.cloneNode(true);
    copy.querySelectorAll('nav, title, desc, .unseen, script, button.all, .epochs, .shaped, .readout, .data > summary').forEach(e => e.remove());
    return [...copy.querySelectorAll('*')].flatMap(e => [...e.childNodes]).filter(n => n.nodeType === 3).map(n => n.data).join(' ');
}).join(' ')"""


@pytest.mark.parametrize("page", PAGES)
def test_the_printed_page_has_everything(browser, page, request):
    browser.open(request.getfixturevalue(page))
    wanted = words(browser.js(READABLE))
    printed = browser.driver.execute_cdp_cmd(
        "Page.printToPDF", {"printBackground": True, "paperWidth": 8.27, "paperHeight": 11.69}
    )
    document = pypdf.PdfReader(io.BytesIO(base64.b64decode(printed["data"])))
    text = unicodedata.normalize("NFKC", " ".join(sheet.extract_text() for sheet in document.pages))
    assert len(wanted) > 400
    # Columns narrow enough break words: what is left of a word stands there in two pieces.
    lost = {word for word in wanted - words(text) if word not in "".join(text.split())}
    assert sorted(lost) == []


def test_a_page_in_the_dark_theme_prints_on_white(browser, sick):
    seen = "const [body, card] = ['body', '.card'].map(s => getComputedStyle(document.querySelector(s))); return [body.color, body.backgroundColor, card.backgroundColor]"
    dark = browser.open(sick, dark=True).js(seen)
    printed = browser.open(sick, dark=True, media="print").js(seen)
    assert printed == browser.open(sick, media="print").js(seen) != dark
    assert printed[1:] == ["rgb(255, 255, 255)"] * 2


@pytest.mark.parametrize("page", PAGES)
def test_all_is_readable_without_javascript(browser, page, request):
    path = request.getfixturevalue(page)
    with_script = words(browser.open(path).js(READABLE))
    browser.open(path, script=False)
    assert browser.all(".sort, .all, .epochs, .cursor") == []
    shown = browser.driver.find_element("tag name", "body").text
    for head in browser.all("h1, h2, h3"):
        if head.is_displayed():
            assert head.text in shown
    for summary in browser.all("summary"):
        closed = summary.find_element("xpath", "..").get_attribute("open") is None
        if closed and summary.is_displayed():
            summary.send_keys("\n")  # folding is HTML's own
    shown = browser.driver.find_element("tag name", "body").text
    assert with_script - words(shown) - words(shown.lower()) == set()
    assert all(e.size["height"] > 20 for e in browser.all(".plot > svg") if e.is_displayed())


@pytest.mark.parametrize("page", PAGES)
def test_nothing_is_wider_than_a_small_screen(browser, page, request):
    browser.open(request.getfixturevalue(page), width=390, height=844)
    browser.js(OPEN_ALL)
    assert browser.js("return document.documentElement.scrollWidth") <= 390


def ends(browser) -> dict[str, float]:
    """Where verdict, what to do, first finding, layers and loss curve end, in pixels from the top."""
    return browser.js(
        "return Object.fromEntries(['h1', '.remedy', '#findings h3', '#layers', '#loss .plot'].filter(s => document.querySelector(s)).map("
        "s => [s, document.querySelector(s).getBoundingClientRect().bottom]))"
    )


@pytest.mark.parametrize("page", PAGES)
def test_the_first_screen_tells_the_story(browser, page, request):
    browser.open(request.getfixturevalue(page))
    assert max(ends(browser).values()) <= 800, ends(browser)
    assert (".remedy" in ends(browser)) == (page == "sick")


@pytest.mark.slow
@pytest.mark.parametrize(
    "fault", ["relu-switch", "zero-weights", "deep-sigmoid", "tiny-rate", "huge-rate", "raw-pixels"]
)
def test_the_first_screen_of_every_demo_tells_the_story(browser, fault, tmp_path):
    browser.open(trained(tmp_path / fault, fault))
    assert max(ends(browser).values()) <= 800, ends(browser)


@pytest.mark.parametrize("width", [1280, 390])
def test_an_endless_name_does_not_widen_the_page(browser, width, tmp_path):
    name = "x" * 10_000
    page = html.write(
        build(run_of(name, [1.0, 0.5] * 30), result_of(name, {"unit_map": name})), tmp_path / "x.html"
    )
    browser.open(page, width=width)
    assert browser.js("return document.documentElement.scrollWidth") <= width
