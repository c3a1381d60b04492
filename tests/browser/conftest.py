"""Real headless Chromium with a real report in it; every test ends by looking at what the browser noted."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

webdriver = pytest.importorskip(
    "selenium.webdriver", reason="selenium is not installed: pip install -e '.[test]'"
)
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")

import nndebug  # noqa: E402
from nndebug.core import load_core  # noqa: E402
from nndebug.faults import FAULTS  # noqa: E402


def trained(folder: Path, fault: str, healthy: bool = False) -> Path:
    """Trains a planted fault, or its healthy twin, into a folder; returns its report."""
    experiment = FAULTS[fault].fixed() if healthy else FAULTS[fault].experiment()
    network, optimizer, dataset = experiment.build()
    with nndebug.watch(network, folder, report=False, strict=True), np.errstate(all="ignore"):
        load_core().fit(
            network, dataset.train, optimizer, validation=dataset.test, **experiment.fit_options(dataset)
        )
    return nndebug.report(folder)


@pytest.fixture(scope="session")
def sick(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("sick") / "dying-relu", "dying-relu")


@pytest.fixture(scope="session")
def healthy(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("healthy") / "fixed", "dying-relu", healthy=True)


class Browser:
    """What the tests do with Chromium, beside what selenium gives."""

    def __init__(self, driver) -> None:
        self.driver = driver
        self.seen: list[str] = []
        driver.execute_cdp_cmd("Network.enable", {})

    def open(self, page: Path, width=1280, height=800, dark=False, script=True, media=""):
        self.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not script})
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False},
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": [scheme]})
        self.notes()
        self.requests()
        self.seen = []
        self.driver.get(page.as_uri())
        return self

    def js(self, source: str, *arguments):
        return self.driver.execute_script(source, *arguments)

    def all(self, selector: str):
        return self.driver.find_elements("css selector", selector)

    def one(self, selector: str):
        return self.driver.find_element("css selector", selector)

    def key(self, *keys: str):
        actions = webdriver.ActionChains(self.driver)
        for key in keys:
            actions.send_keys(key)
        actions.perform()

    def point(self, element, x: int = 0, y: int = 0):
        """Moves the pointer to an offset from the middle of an element."""
        self.js("arguments[0].scrollIntoView({block: 'center'})", element)
        webdriver.ActionChains(self.driver).move_to_element_with_offset(element, x, y).perform()

    def requests(self) -> list[str]:
        """Addresses that were asked for since the page was opened."""
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                self.seen.append(message["params"]["request"]["url"])
        return self.seen

    def notes(self) -> list[str]:
        """What stands in the console: errors, warnings, and what the policy forbade."""
        return [entry["message"] for entry in self.driver.get_log("browser")]


@pytest.fixture(scope="session")
def driver(tmp_path_factory):
    if not (BROWSER and DRIVER):
        pytest.skip("there is no Chromium with its driver: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for word in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", "no-first-run",
                 "disable-background-networking", "disable-component-update", "disable-extensions",
                 f"user-data-dir={tmp_path_factory.mktemp('browser')}"):  # fmt: skip
        options.add_argument(f"--{word}")
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=DRIVER))
    driver.set_script_timeout(300)  # axe-core looks at every number of the tables
    yield driver
    driver.quit()


@pytest.fixture
def browser(driver):
    """The browser; afterwards no request may have left the page, and nothing may stand in the console."""
    browser = Browser(driver)
    yield browser
    # chrome: is the browser's own first tab, which no page may ask for anything.
    assert [u for u in browser.requests() if not u.startswith(("file://", "data:", "chrome:"))] == []
    assert browser.notes() == []
