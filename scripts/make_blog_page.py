"""Writes docs/the-blog.md: the journey of a network from 10 % to 96 %, bug by bug, with what nndebug answers to each.

    NNDEBUG_DATA=... python scripts/make_blog_page.py

Every answer is made here, by the same code that the command runs, without drawing reports. The last three chapters need
MNIST. A test compares the page with what is answered anew.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(variable, "1")  # sums in another order would move the last digits

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402  (after the number of threads)

import nndebug  # noqa: E402
from network import evaluate, fit  # noqa: E402
from nndebug.cli import train  # noqa: E402
from nndebug.cli.common import Parser  # noqa: E402
from nndebug.faults import FAULTS  # noqa: E402
from nndebug.wording import percent  # noqa: E402

PAGE = ROOT / "docs" / "the-blog.md"
WIDTH = 100
BLOG = "--data mnist --output-activation sigmoid --loss quadratic --bias-init normal"

INTRODUCTION = """\
# The blog's journey, bug by bug

Somebody writes a network from scratch in NumPy, after Nielsen's book, and blogs about it: it sticks at 10 %, then it learns,
then ReLU breaks it, and in the end it reaches 96.33 % on MNIST. These are the bugs on the way, what a reader would type, and
what nndebug answers. `nndebug demo` plants a bug into a small network on the embedded digits, so that every reader can try
it without a download; the chapters on ReLU are the blog's own network on MNIST.

Made by `python scripts/make_blog_page.py`: the answers are what the commands print, seed 0, one BLAS thread.
"""


@dataclass(frozen=True)
class Chapter:
    """One stop of the journey.

    Attributes:
        title: of the chapter.
        story: what happened, before the command.
        command: what a reader types, after `nndebug`.
        moral: a remark after the answer.
    """

    title: str
    story: str
    command: str
    moral: str = ""

    @property
    def needs_mnist(self) -> bool:
        return "mnist" in self.command


CHAPTERS = (
    Chapter(
        "Stuck at 10 %: the update that changes nothing",
        "Accuracy is 10 % and stays there, to the sample. The loop over the layers does `w = w - rate * gradient`: it binds "
        "the loop's name to a new array and leaves the network as it was.",
        "demo update-of-a-copy",
        "`w -= rate * gradient` changes the array itself.",
    ),
    Chapter(
        "Stuck at 10 %: the cost where its derivative belongs",
        "The error of the output starts from the cost, 0.5 (a - y)², and not from what it changes by, a - y. Nothing raises: "
        "the cost is a number, and NumPy spreads it over all outputs. They all go to 0, and the loss stays at exactly 0.5.",
        "demo cost-for-derivative",
        "In a class of your own: `nndebug gradcheck examples/blog_bug.py:factory` says the same of it, unedited.",
    ),
    Chapter(
        "The product reversed",
        "The error is passed back through W where its transpose belongs. On 784-30-10 that raises at once. On a layer that is "
        "square it fits, costs a point of accuracy, and no curve shows it.",
        "demo reversed-product",
    ),
    Chapter(
        "Argmax, of the wrong thing",
        "The network learns, the loss falls, and the evaluation prints 10 % all the same: it takes the argmax of a label that "
        "is a class number already, which is 0.",
        "demo argmax-of-label",
        "For an evaluation of your own: `print(nndebug.check_accuracy(my_number, outputs, labels))`.",
    ),
    Chapter(
        "Shapes that fit by accident",
        "Ten samples a batch and ten classes: a sum over the wrong axis gives ten numbers, too. At any other batch size it "
        "raises; at this one it trains, and hardly worse.",
        "demo bias-summed-over-units",
    ),
    Chapter(
        "Sigmoid switched to ReLU",
        "The network learns with sigmoids at rate 3.0 and N(0, 1) weights. The hidden activation is switched to ReLU, nothing "
        "else, and accuracy falls below 50 %. The forum says: dying ReLU.",
        f"train {BLOG} --init normal --lr 3.0 --epochs 5",
        "No unit is dead here. The outputs start certain and wrong, and the quadratic loss has no gradient there.",
    ),
    Chapter(
        "He weights, and the old rate",
        "The weights are drawn as He et al. say. The rate is still 3.0.",
        f"train {BLOG} --lr 3.0 --epochs 5",
        "Now ReLUs do die, in the first step.",
    ),
    Chapter(
        "He weights and a lower rate: 96 %",
        "A thirtieth of the rate, an L2 penalty of 0.1, thirty epochs.",
        f"train {BLOG} --lr 0.1 --l2 0.1 --epochs 30",
        "The blog reports 96.33 %; over seeds this network lies between 95.9 and 96.6 %.",
    ),
)


def answer(chapter: Chapter) -> str:
    """What the command prints about the network: the diagnosis and the accuracy."""
    command, *words = chapter.command.split()
    if command == "demo":
        experiment: Any = FAULTS[words[0]].experiment(0)
    else:
        parser = Parser()
        train.add_parser(parser.add_subparsers())
        experiment = train.describe(parser.parse_args([command, *words]))
    network, optimizer, dataset = experiment.build(os.environ.get("NNDEBUG_DATA"))
    with np.errstate(all="ignore"), nndebug.watch(network, preflight=10.0) as watching:
        fit(
            network,
            dataset.train,
            optimizer,
            validation=dataset.validation or dataset.test,
            **experiment.fit_options(dataset),
        )
        held_out = evaluate(network, dataset.test)
    return f"{diagnosis(watching.result)}\n{dataset.name}: accuracy {percent(held_out.accuracy, 2)} on {held_out.samples:,} held-out samples"


def diagnosis(result: Any) -> str:
    """The first cause as it is printed; the findings that are only there besides are left out."""
    from rich.console import Console

    from nndebug.report import terminal

    out = io.StringIO()
    terminal.render(result, Console(file=out, highlight=False, width=WIDTH))
    first, *_ = out.getvalue().split("\n\n")
    return "\n".join(line.rstrip() for line in first.splitlines())


def page(chapters: tuple[Chapter, ...] = CHAPTERS) -> Iterator[str]:
    """The page, a chapter at a time."""
    yield INTRODUCTION
    for number, chapter in enumerate(chapters, 1):
        yield section(number, chapter, answer(chapter))


def section(number: int, chapter: Chapter, said: str) -> str:
    moral = f"\n{chapter.moral}\n" if chapter.moral else ""
    return f"\n## {number}. {chapter.title}\n\n{chapter.story}\n\n```text\n$ nndebug {chapter.command}\n{said}\n```\n{moral}"


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    PAGE.write_text("".join(page()), "utf-8")
    print(f"wrote  {PAGE}")


if __name__ == "__main__":
    main()
