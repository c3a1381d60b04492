"""Makes reports/sample: the blog's network with He weights and the rate left at 3.0, on the real MNIST.

    NNDEBUG_DATA=... python scripts/make_sample_report.py

Needs headless Chromium for report.png, the picture at the top of README.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SAMPLE = Path(__file__).resolve().parents[1] / "reports" / "sample"
TRAIN = "train --data mnist --layers 784,30,10 --activation relu --output-activation sigmoid --loss quadratic --init he"
SETTINGS = "--bias-init normal --lr 3.0 --batch 10 --epochs 8 --seed 7 --fail-on never --quiet"
BROWSER = "chromium --headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --hide-scrollbars"


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "blog-relu"
        command = [sys.executable, "-m", "nndebug", *TRAIN.split(), *SETTINGS.split(), "-o", str(folder)]
        # One thread: sums in another order would make another run of this seed.
        subprocess.run(command, check=True, env={**os.environ, "OPENBLAS_NUM_THREADS": "1"})
        SAMPLE.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / "report.html", SAMPLE / "report.html")
        shutil.copy(folder / "findings.json", SAMPLE / "findings.json")
        shutil.copy(folder / "epoch-0008.png", SAMPLE / "epoch-0008.png")
        for name, theme in (("report", 1), ("report-dark", 0)):
            options = [
                f"--user-data-dir={scratch}/browser-{name}",
                f"--blink-settings=preferredColorScheme={theme}",
                "--window-size=1280,800",
                f"--screenshot={SAMPLE / name}.png",
            ]
            subprocess.run([*BROWSER.split(), *options, (SAMPLE / "report.html").as_uri()], check=True)


if __name__ == "__main__":
    main()
