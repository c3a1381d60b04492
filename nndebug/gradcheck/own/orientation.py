"""Formulas as they stand in the user's code: samples in rows or columns, weights either way, one sample or many.

The catalogue writes them for rows and weights (inputs, outputs). Every array that the user keeps the other way round
is replaced by its transpose, and the transposes are pushed down to where they cancel.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

_SAMPLES = re.compile(r"(delta|a|z|d_[az])\d+|x|y|mask|g")
_WEIGHTS = re.compile(r"d?W\d+")
_OPAQUE = re.compile(r"d([CL])/d(\w+)")
_PRIME = "_prime"


@dataclass(frozen=True)
class Orientation:
    """How the user's code keeps its arrays.

    Attributes:
        columns: samples are columns.
        turned: weights are (outputs, inputs).
        single: the code sees one sample at a time, so that nothing is summed or divided by the batch.
    """

    columns: bool = False
    turned: bool = False
    single: bool = False

    def line(self, line: str) -> str:
        """A formula `name = expression` of the catalogue, in the user's orientation; as it is where it is no code.

        >>> Orientation(columns=True, turned=True, single=True).line("dW2 = a1.T @ delta2")
        'dW2 = delta2 @ a1.T'
        >>> Orientation(columns=True, turned=True).line("delta1 = delta2 @ W2.T * sigmoid'(z1)")
        "delta1 = W2.T @ delta2 * sigmoid'(z1)"
        >>> Orientation(turned=True).line("delta1 = delta2 @ W2.T")
        'delta1 = delta2 @ W2'
        """
        name, equals, formula = line.partition(" = ")
        if not equals:
            return line
        code = _OPAQUE.sub(r"d_\2_of_\1", formula).replace("'(", f"{_PRIME}(")
        try:
            tree = ast.parse(code, mode="eval").body
        except SyntaxError:
            return line
        if self.single:
            tree = _Single().visit(tree)
        if self._flips(name) or (self.single and self.columns and name.startswith("db")):
            tree = self._turned(tree)
        else:
            tree = self._plain(tree)
        written = ast.unparse(ast.fix_missing_locations(tree)).replace(f"{_PRIME}(", "'(")
        written = re.sub(r"d_(\w+?)_of_([CL])", r"d\2/d\1", written)
        return f"{name} = {written}"

    def _flips(self, name: str) -> bool:
        plain = _OPAQUE.sub(r"d_\2", name)
        return (self.columns and bool(_SAMPLES.fullmatch(plain))) or (
            self.turned and bool(_WEIGHTS.fullmatch(plain))
        )

    def _variable(self, name: str) -> bool:
        return self._flips(re.sub(r"_of_[CL]$", "", name))

    def _plain(self, node: ast.expr) -> ast.expr:
        """The expression in the user's arrays."""
        if isinstance(node, ast.Name):
            return _transpose(node) if self._variable(node.id) else node
        if _is_transpose(node):
            assert isinstance(node, ast.Attribute)
            return self._turned(node.value)
        if isinstance(node, ast.BinOp):
            return ast.BinOp(self._plain(node.left), node.op, self._plain(node.right))
        if isinstance(node, ast.UnaryOp):
            return ast.UnaryOp(node.op, self._plain(node.operand))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in ("sum", "mean") and self._any(node.func.value):
                return _other_axis(node, self._turned(node.func.value))
            return ast.Call(
                ast.Attribute(self._plain(node.func.value), node.func.attr, ast.Load()),
                node.args,
                node.keywords,
            )
        if isinstance(node, ast.Call):
            return ast.Call(node.func, [self._plain(argument) for argument in node.args], node.keywords)
        if (
            isinstance(node, ast.Subscript)
            and isinstance(node.value, ast.Name)
            and self._variable(node.value.id)
        ):
            everything = ast.Slice(None, None, None)
            return ast.Subscript(node.value, ast.Tuple([everything, node.slice], ast.Load()), ast.Load())
        return node

    def _turned(self, node: ast.expr) -> ast.expr:
        """The transpose of the expression, in the user's arrays."""
        if isinstance(node, ast.Constant):
            return node
        if isinstance(node, ast.Name):
            return node if self._variable(node.id) or node.id in _SCALARS else _transpose(node)
        if _is_transpose(node):
            assert isinstance(node, ast.Attribute)
            return self._plain(node.value)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
            return ast.BinOp(self._turned(node.right), node.op, self._turned(node.left))
        if isinstance(node, ast.BinOp):
            return ast.BinOp(self._turned(node.left), node.op, self._turned(node.right))
        if isinstance(node, ast.UnaryOp):
            return ast.UnaryOp(node.op, self._turned(node.operand))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id == "outer":
                return ast.Call(node.func, [self._plain(argument) for argument in node.args[::-1]], [])
            return ast.Call(node.func, [self._turned(argument) for argument in node.args], node.keywords)
        return _transpose(self._plain(node))

    def _any(self, node: ast.AST) -> bool:
        return any(isinstance(n, ast.Name) and self._variable(n.id) for n in ast.walk(node))


_SCALARS = ("batch", "outputs", "rate", "C")


class _Single(ast.NodeTransformer):
    """Leaves out the sums over samples and the division by their number."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        axis = next((k.value for k in node.keywords if k.arg == "axis"), None)
        summed = isinstance(node.func, ast.Attribute) and node.func.attr in ("sum", "mean")
        if summed and isinstance(axis, ast.Constant) and axis.value == 0:
            assert isinstance(node.func, ast.Attribute)
            return node.func.value
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.op, ast.Div) and isinstance(node.right, ast.Name) and node.right.id == "batch":
            return node.left
        return node


def _transpose(node: ast.expr) -> ast.expr:
    return (
        node.value
        if _is_transpose(node) and isinstance(node, ast.Attribute)
        else ast.Attribute(node, "T", ast.Load())
    )


def _is_transpose(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "T"


def _other_axis(call: ast.Call, value: ast.expr) -> ast.expr:
    """`(A.T).sum(axis=0)` as `A.sum(axis=1)`."""
    assert isinstance(call.func, ast.Attribute)
    keywords = [
        ast.keyword(k.arg, ast.Constant(1 - k.value.value))
        if k.arg == "axis" and isinstance(k.value, ast.Constant) and isinstance(k.value.value, int)
        else k
        for k in call.keywords
    ]
    return ast.Call(ast.Attribute(value, call.func.attr, ast.Load()), call.args, keywords)
