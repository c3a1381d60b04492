"""Every entry of a tensor by itself: the slow way, which leaves nothing to chance."""

from __future__ import annotations

from .comparing import BLURRED, BLURRED_SINGLE
from .explaining import Explanation
from .finding import Finding
from .nearby import SHARP, confirmed, mixed
from .tensors import Tensor


def every_entry(tensor: Tensor, explanation: Explanation | None = None) -> Finding:
    """Takes the derivative by every single entry and compares it.

    Args:
        tensor: the gradient under test.
        explanation: the mistake, where the quick way has found one.
    """
    finding = Finding(explanation=explanation)
    tensor.finding = finding
    tensor.moving[:] = 1.0
    tensor.loss.listen([tensor._direction(), tensor._direction()])
    blur, sharp = 0.0, ""
    ratios = []
    for entry in range(tensor.size):
        slope, given = tensor._single(entry), float(tensor.given[entry])
        value = slope.value
        if slope.kinked:
            finding.kinks += 1
            low, high = sorted((slope.left, slope.right))
            value = min(max(given, low), high)  # agreeing with either side passes
        allowed = (
            tensor._tolerance(slope) if not slope.kinked else tensor.floor * max(tensor.largest, abs(value))
        )
        size = max(abs(given), abs(value), 1e-8 * tensor.largest) or 1.0
        ratios.append((abs(given - value) / size, slope.error / size, given, value))
        if abs(value - given) > allowed:
            if slope.kinked or confirmed(tensor.loss, tensor._alone(entry), slope, given):
                finding.entries[entry] = (value, slope.error)
            else:
                sharp = SHARP + mixed(tensor.loss.point[tensor.path])
        elif not slope.kinked:
            blur = max(blur, slope.error)
    finding.worst, finding.error, finding.analytic, finding.numeric = max(
        ratios, default=(0.0, 0.0, 0.0, 0.0)
    )
    finding.wrong = len(finding.entries)
    scale = max(tensor.largest, *(abs(value) for _, _, _, value in ratios), 0.0)
    limit = BLURRED_SINGLE if tensor.loss.coarse else BLURRED
    if finding.wrong:
        finding.where = (
            "all of them" if finding.wrong == tensor.size > 1 else tensor._named(sorted(finding.entries))
        )
    elif sharp:
        finding.reason = sharp
    elif blur > limit * scale and scale:
        finding.reason = f"the numerical derivative is only good to {blur / scale:.0e} of the largest entry"
    return finding
