"""The layouts of the gradient check's tests are trained here."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "gradcheck"))
