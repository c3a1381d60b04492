"""From layers that disagree with themselves to what is wrong in the code, and the mistake that explains it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..signals import Array
from .catalogue import CATALOGUES
from .claimed import AGAIN, Claimed, first_difference
from .equations import equation_of, input_equation
from .evidence import Clues
from .linear import Linear
from .local import Trial, disagreeing, try_linear
from .mistakes import Evidence, name_mistakes
from .result import Fault, Mistake, Row, Verdict
from .tape import Tape, site


class Diagnosis:
    """Collects the faults of one check.

    Args:
        tape: the recorded pass.
        claimed: the network's gradients.
        forms: layer index → its linear form.
        rows: every parameter against the whole network.
        sizes: how many samples the data set may have.
    """

    def __init__(
        self,
        tape: Tape,
        claimed: Claimed,
        forms: Mapping[int, Linear | None],
        rows: Sequence[Row],
        sizes: tuple[int, ...] = (),
    ) -> None:
        self.tape, self.claimed, self.forms, self.rows = tape, claimed, forms, rows
        self.layers = tape.layers
        self.clues = Clues(tape, claimed, forms, sizes)
        self.owners = self.clues.owners

    def faults(self, loss_row: Row | None, loss_right: Array | None, trials: Sequence[Trial]) -> list[Fault]:
        """What is wrong, the place nearest to the output first.

        Args:
            loss_row: the loss's gradient, compared; None if it could not be.
            loss_right: the right one.
            trials: every layer by itself, in any order.
        """
        found: list[Fault] = []
        if loss_row is not None and loss_row.verdict is Verdict.DISAGREES and loss_right is not None:
            found.append(self._loss_fault(loss_right))
        broken = self.claimed.broken
        if broken and broken.index == len(self.layers):
            found.append(Fault(self._output_name(), "BP1", "loss", f"its error cannot be computed: {broken}"))
        for trial in sorted(trials, key=lambda t: -t.index):
            clean = not found and self._agree_after(trial.index)
            found += self._crash(trial) if trial.error else self._layer_faults(trial, clean)
        if not found:
            found = self._chain_faults()
        known = {fault.layer for fault in found}
        return [*found, *(fault for fault in self._pass_faults() if fault.layer not in known)]

    # --- the loss and the layers --------------------------------------------------------------------------------

    def _loss_fault(self, right: Array) -> Fault:
        sentence = "its error is wrong, for loss.gradient is not the derivative of the loss"
        mistakes = name_mistakes(self.clues.of_loss(right), CATALOGUES)
        return Fault(self._output_name(), "BP1", "loss", sentence, mistakes)

    def _layer_faults(self, trial: Trial, clean: bool) -> list[Fault]:
        faults = []
        for row in disagreeing(trial):
            part = self._part(trial.index, row.parameter)
            sentence = {
                "activation": f"{self._whose(trial.index)} backward is wrong",
                "dropout": "its backward is wrong",
                "input": "the error that its backward passes on is wrong",
            }.get(part, f"the gradient of its {row.parameter} is wrong")
            if row.reason:
                sentence += f" ({row.reason})"
            mistakes = self.clues.mistakes(trial, row.parameter, part)
            faults.append(Fault(row.layer, row.equation, part, sentence, mistakes, clean))
        return faults

    def _crash(self, trial: Trial) -> list[Fault]:
        """A backward that raises. One that mixes up axes runs when both have the same length: try that."""
        name, form = site(self.layers, trial.index), self.forms[trial.index]
        equation = input_equation(self.layers, trial.index)
        crash = Fault(name, equation, "backward", f"its {trial.error}")
        if form is None:
            return [crash]
        units = trial.y.shape[1]
        square = try_linear(self.tape, trial.index, form, np.random.default_rng(units), units)
        if square is None or square.error or not disagreeing(square):
            return [crash]
        return [
            Fault(
                fault.layer, fault.equation, fault.part,
                f"its {trial.error} on {len(trial.x)} rows; with as many rows as units ({units}) it runs, and "
                + fault.sentence,
                fault.mistakes,
            )
            for fault in self._layer_faults(square, False)
        ]  # fmt: skip

    # --- the network around the layers --------------------------------------------------------------------------

    def _chain_faults(self) -> list[Fault]:
        """Every layer is right by itself, yet a gradient is wrong: the network's own chain, or a tiny mistake."""
        wrong = [row for row in self.rows if row.verdict is Verdict.DISAGREES]
        if not wrong:
            return []
        layer = wrong[0].layer
        of_layer = [row for row in wrong if row.layer == layer]
        equation = of_layer[0].equation if len(of_layer) == 1 else "BP2"
        if len(of_layer) > 1 and layer == self._output_name():
            equation = "BP1"
        index, parameter = next(
            (i, n) for i in self.owners for n in self.layers[i].parameters
            if site(self.layers, i) == layer and n == of_layer[0].parameter
        )  # fmt: skip
        given, right = (g.get((index, parameter)) for g in (self.claimed.gradients, self.claimed.chained))
        sentence = "its gradient is wrong"
        if given is None or right is None:
            return [Fault(layer, equation, "network", sentence)]
        largest = float(np.abs(right).max(initial=0.0))
        if given.shape == right.shape and np.abs(given - right).max(initial=0.0) <= AGAIN * largest:
            return [Fault(layer, equation, "network", sentence, isolated=self._agree_after(index))]
        sentence += ", though each layer by itself is right: look at how the network chains them"
        names = self.clues.names(index)
        part = self._part(index, parameter)
        nothing = np.zeros((self.tape.batch, 1))
        evidence = Evidence(part, given, right, self.tape.inputs[index], nothing, nothing, names)
        mistakes = name_mistakes(evidence, {})
        return [Fault(layer, equation, "network", sentence, mistakes, self._agree_after(index))]

    def _pass_faults(self) -> list[Fault]:
        """What a second pass and a pass without input gradient give."""
        first = self.claimed.gradients
        if not first or not np.isfinite(self.tape.loss_value):
            return []
        faults = []
        kept = first_difference(first, self.claimed.again)
        if kept and not hasattr(self.tape.network, "zero_grad"):
            index, parameter = kept
            second = self.claimed.again.get(kept)
            sentence = f"the gradient of its {parameter} changes when the same pass is run twice"
            mistakes: tuple[Mistake, ...] = ()
            if second is not None and np.allclose(second, 2 * first[kept], rtol=AGAIN):
                sentence = f"the gradient of its {parameter} is added to the one before: it is not cleared"
                line = f"d{self.clues.names(index)['b' if self._part(index, parameter) == 'bias' else 'W']}"
                name = "the gradients of the last batch left in (never cleared)"
                mistakes = (Mistake(name, f"{line} += this batch's", f"{line} = this batch's", 0.0),)
            faults.append(self._pass_fault(index, parameter, sentence, mistakes))
        skipped = first_difference(first, self.claimed.skipping) if self.claimed.skipping else None
        if skipped:
            index, parameter = skipped
            sentence = f"the gradient of its {parameter} is another one when no input gradient is asked for, as in fit"
            faults.append(self._pass_fault(index, parameter, sentence))
        return faults

    def _pass_fault(
        self, index: int, parameter: str, sentence: str, mistakes: tuple[Mistake, ...] = ()
    ) -> Fault:
        equation = equation_of(parameter, self.layers[index].parameters[parameter])
        return Fault(site(self.layers, index), equation, "passes", sentence, mistakes)

    # --- names --------------------------------------------------------------------------------------------------

    def _agree_after(self, index: int) -> bool:
        """Whether there are parameters after this layer, and all of them agree."""
        after = {site(self.layers, i) for i in self.owners if i > index}
        rows = [row for row in self.rows if row.layer in after]
        return bool(rows) and all(row.verdict is Verdict.AGREES for row in rows)

    def _part(self, index: int, parameter: str) -> str:
        form = self.forms.get(index)
        if form:
            return {form.weight: "weight", form.bias: "bias"}.get(parameter, "input")
        if parameter != "input":
            return parameter
        layer = self.layers[index]
        if getattr(layer, "kind", "") == "dropout":
            return "dropout"
        same = self.tape.inputs[index].shape == self.tape.outputs[index].shape
        return "activation" if same and not getattr(layer, "parameters", {}) else "passed back"

    def _whose(self, index: int) -> str:
        """`its`, or the layer's own kind where the name is that of a norm or a convolution before it."""
        name, kind = site(self.layers, index), str(getattr(self.layers[index], "kind", ""))
        named = [
            getattr(a, "kind", "") for i, a in enumerate(self.layers[:index]) if site(self.layers, i) == name
        ]
        return f"its {kind}'s" if kind and named and named[0] != "dense" else "its"

    def _output_name(self) -> str:
        return site(self.layers, self.owners[-1]) if self.owners else "output"
