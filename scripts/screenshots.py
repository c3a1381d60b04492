"""Pictures of the demos' reports: light, dark, print, 1280 × 800 and 390 × 844. `python scripts/screenshots.py [-o DIR] [FAULT ...]`

Needs Chromium with its driver, and `pip install -e '.[test]'`. What the terminal said lies beside each.
"""

import argparse
import base64
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from selenium import webdriver

from nndebug.errors import did_you_mean
from nndebug.faults import FAULTS as ALL_FAULTS

FAULTS = (
    *(
        "dying-relu",
        "relu-switch",
        "zero-weights",
        "deep-sigmoid",
        "tiny-rate",
        "huge-rate",
        "update-of-a-copy",
    ),
    *("raw-pixels", "argmax-wrong-axis", "shuffled-labels", "relu-mask-missing"),
)
VIEWS = {
    "1280x800": (1280, 800, "light", "screen"),
    "1280x800-dark": (1280, 800, "dark", "screen"),
    "390x844": (390, 844, "light", "screen"),
    "390x844-dark": (390, 844, "dark", "screen"),
    "print": (794, 1123, "light", "print"),
}
"""Width, height, theme, medium; print is A4."""


def browser(profile: str) -> webdriver.Chrome:
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome") or ""
    for word in ("headless=new", "no-sandbox", "disable-gpu", "hide-scrollbars", "disable-background-networking",
                 f"user-data-dir={profile}"):  # fmt: skip
        options.add_argument(f"--{word}")
    service = webdriver.ChromeService(executable_path=shutil.which("chromedriver"))
    return webdriver.Chrome(options=options, service=service)


def picture(
    driver: webdriver.Chrome, page: Path, path: Path, view: tuple[int, int, str, str], whole: bool
) -> None:
    """One screen of a page, or all of it."""
    width, height, theme, medium = view
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": theme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": medium, "features": features})
    driver.get(page.as_uri())
    if whole:
        size["height"] = driver.execute_script("return document.documentElement.scrollHeight")
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    shot = driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
    path.write_bytes(base64.b64decode(shot["data"]))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("faults", nargs="*", default=FAULTS, metavar="FAULT")
    parser.add_argument("-o", "--output", type=Path, default=Path("reports/screenshots"))
    arguments = parser.parse_args()
    for name in arguments.faults:
        if name not in ALL_FAULTS:
            print(
                f"error: there is no fault {name!r}\nhelp: {did_you_mean(name, ALL_FAULTS)}", file=sys.stderr
            )
            return 2
    arguments.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        driver = browser(f"{scratch}/browser")
        for name, flags in [("healthy", ["--fixed"]), *((fault, []) for fault in arguments.faults)]:
            folder = Path(scratch) / name
            command = ["demo", *([name] if name != "healthy" else []), *flags, "-o", str(folder)]
            said = subprocess.run([sys.executable, "-m", "nndebug", *command], capture_output=True, text=True)
            (arguments.output / f"{name}.txt").write_text(said.stdout + said.stderr)
            for view, how in VIEWS.items():
                path = arguments.output / f"{name}-{view}.png"
                picture(driver, folder / "report.html", path, how, whole=view == "print")
            print(f"{name}: exit code {said.returncode}", flush=True)
        driver.quit()
    return 0


if __name__ == "__main__":
    sys.exit(main())
