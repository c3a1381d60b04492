"""Makes network/data/digits.npz, the embedded data set, once: `python scripts/make_digits.py`.

Needs scikit-learn, which carries the test part of "Optical Recognition of Handwritten Digits" (1,797 images of
8x8 pixels with 17 grey values) as published in the UCI Machine Learning Repository. Its values are whole numbers
stored as floats; they are stored here as uint8, in the published order, with nothing left out or changed.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

TARGET = Path(__file__).resolve().parents[1] / "network" / "data" / "digits.npz"


def main() -> None:
    digits = load_digits()
    images = digits.images.astype(np.uint8)
    labels = digits.target.astype(np.uint8)
    # A cast that loses something would change the data in silence.
    if not (np.array_equal(images, digits.images) and np.array_equal(labels, digits.target)):
        raise SystemExit("the images or labels are not whole numbers below 256")
    np.savez_compressed(TARGET, images=images, labels=labels)
    print(f"{TARGET.name}: images {images.shape}, labels {labels.shape}, {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
