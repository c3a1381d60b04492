"""What a network is trained and tested on."""

from __future__ import annotations

from dataclasses import dataclass

from ..arrays import Array
from ..errors import DataError

Split = tuple[Array, Array]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Inputs and targets, in parts that share no row unless `note` says so.

    Attributes:
        name: what it is called, as in `digits`.
        train: x (samples, features) float32 and y: class numbers (samples,) int64 from 0, or, for regression,
            targets (samples, outputs) float32.
        test: the held-out part, of the same form.
        classes: number of classes; 0 for regression.
        image_shape: (height, width) in pixels where a row of x is an image, else None.
        note: where it comes from and what was done to it.
        validation: a third part to choose settings on, if there is one.

    Raises:
        DataError: a part has no rows, or x and y of a part differ in length.
    """

    name: str
    train: Split
    test: Split
    classes: int
    image_shape: tuple[int, int] | None = None
    note: str = ""
    validation: Split | None = None

    def __post_init__(self) -> None:
        for part, (x, y) in self.parts.items():
            if len(x) != len(y):
                raise DataError(f"{self.name}: the {part} part has {len(x)} inputs and {len(y)} targets")
            if not len(x):
                raise DataError(f"{self.name}: the {part} part has no rows", help="ask for more rows")

    @property
    def parts(self) -> dict[str, Split]:
        """The parts that there are, by name."""
        parts = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: part for name, part in parts.items() if part is not None}

    @property
    def features(self) -> int:
        """Number of values that describe one sample."""
        size = 1
        for width in self.train[0].shape[1:]:
            size *= width
        return size

    def __repr__(self) -> str:
        sizes = ", ".join(f"{len(x):,} {part}" for part, (x, _) in self.parts.items())
        target = f"{self.classes} classes" if self.classes else "regression"
        return f"Dataset({self.name}: {sizes}, {self.features} features, {target})"
