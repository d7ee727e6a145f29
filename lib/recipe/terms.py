"""Choices with numbers of their own, as recipes spell them: a name, options in brackets; losses are sums of such.

call("sgd(momentum=0.9, nesterov=true)")       # Call("sgd", {"momentum": 0.9, "nesterov": True})
terms("0.5*ce + 0.5*dice")                     # (Term(0.5, Call("ce")), Term(0.5, Call("dice")))
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

WORDS = {"true": True, "false": False, "none": None}


@dataclass(frozen=True)
class Call:
    """A name and its options."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Term:
    """A call and its weight in a sum."""

    weight: float
    call: Call


def call(text: str) -> Call:
    """Read `name` or `name(option=value, …)`; `ValueError` says what is wrong with it."""
    return _call(_parsed(text), text)


def terms(text: str) -> tuple[Term, ...]:
    """Read a sum such as `0.5*ce + dice(smooth=1)`; `ValueError` says what is wrong with it."""
    return tuple(_term(node, text) for node in _summands(_parsed(text)))


def known(one: Call, allowed: Mapping[str, Mapping[str, Any]], text: str) -> None:
    """Raise `ValueError` for a name or an option that `allowed` (options and their defaults by name) does not have."""
    if one.name not in allowed:
        raise ValueError(f"found {one.name!r} in {text!r}; one of {', '.join(allowed)}")
    for option, value in one.options.items():
        if option not in allowed[one.name]:
            takes = ", ".join(allowed[one.name]) or "no options"
            raise ValueError(f"found {option}={value} in {text!r}; {one.name} takes {takes}")
        usual = allowed[one.name][option]
        if _kind(value) != _kind(usual):
            raise ValueError(f"found {option}={value} in {text!r}; it is {_kind(usual)}")


def _kind(value: Any) -> str:
    """What sort of value an option takes, in words."""
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, tuple) and all(isinstance(part, int | float) for part in value):
        return f"{len(value)} numbers in brackets"
    return "something else"


def _parsed(text: str) -> ast.expr:
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError):
        raise ValueError(f"found {text!r}; write it like 0.5*ce + 0.5*dice, or name(option=value)") from None


def _summands(node: ast.expr) -> Iterator[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        yield from _summands(node.left)
        yield from _summands(node.right)
    else:
        yield node


def _term(node: ast.expr, text: str) -> Term:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        for number, rest in ((node.left, node.right), (node.right, node.left)):
            if isinstance(number, ast.Constant) and isinstance(number.value, int | float):
                return Term(float(number.value), _call(rest, text))
    return Term(1.0, _call(node, text))


def _call(node: ast.expr, text: str) -> Call:
    if isinstance(node, ast.Name):
        return Call(node.id.lower())
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.args:
        return Call(node.func.id.lower(), {word.arg: _value(word.value, text) for word in node.keywords if word.arg})
    raise ValueError(f"found {ast.unparse(node)!r} in {text!r}; write name, name(option=value) or number*name")


def _value(node: ast.expr, text: str) -> Any:
    if isinstance(node, ast.Name) and node.id.lower() in WORDS:
        return WORDS[node.id.lower()]
    try:
        return ast.literal_eval(node)
    except ValueError:
        raise ValueError(f"found {ast.unparse(node)!r} in {text!r}; an option is a number, true or false") from None
