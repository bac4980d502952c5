"""Jinja's immutable sandbox with bounds on steps and sizes, so that no template hangs a run.

The sandbox keeps a template away from Python's internals; it bounds neither loops nor text. Here
every turn of a loop and every call of a macro takes a step, and whatever can make a long text out
of a short one is bounded. This guards against mistakes, not against the job's own author.
"""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from jinja2 import StrictUndefined, nodes
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from pipeline.preparing.literal import printed

MOST_STEPS = 200_000
MOST_CHARACTERS = 16 * 1024 * 1024
_MOST_POWER_BITS = 4096
_WIDEST = 1_000
_LONG_FORMAT = re.compile(r"\d{4,}|\*")
_WIDENING_METHODS = frozenset({"center", "ljust", "rjust", "zfill", "expandtabs"})


class TemplateLimitError(Exception):
    """A template does too much for one document."""


class BoundedEnvironment(ImmutableSandboxedEnvironment):
    """A sandbox whose templates end, with a result of bounded size."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self) -> None:
        super().__init__(
            undefined=StrictUndefined,
            autoescape=False,
            keep_trailing_newline=True,
            finalize=self.take,
        )
        self._spent = threading.local()
        del self.globals["lipsum"]  # makes text of any length
        for name in ("center", "indent", "format", "replace", "join", "wordwrap", "xmlattr"):
            self.filters[name] = _guarded(name, self.filters[name])

    @contextmanager
    def bounded(self) -> Iterator[None]:
        """One rendering, with fresh bounds."""
        self._spent.steps = self._spent.characters = 0
        yield

    def step(self) -> None:
        """One turn of a loop or call of a macro."""
        self._spent.steps = getattr(self._spent, "steps", 0) + 1
        if self._spent.steps > MOST_STEPS:
            raise TemplateLimitError(f"the template takes more than {MOST_STEPS:,} steps")

    def take(self, value: Any) -> str:
        """A value on its way into the output, or into a block of it."""
        text = str(value)
        self._spent.characters = getattr(self._spent, "characters", 0) + len(text)
        check_length(self._spent.characters)
        return printed(text)

    def constant(self, length: int) -> None:
        """Text of the template itself on its way into the output."""
        self._spent.characters = getattr(self._spent, "characters", 0) + length
        check_length(self._spent.characters)

    def concatenated(self, *values: Any) -> str:
        """What `a ~ b` gives."""
        texts = [str(value) for value in values]
        check_length(sum(map(len, texts)))
        return "".join(texts)

    def _generate(
        self,
        source: nodes.Template,
        name: str | None,
        filename: str | None,
        defer_init: bool = False,
    ) -> str:
        return super()._generate(_Counting().visit(source), name, filename, defer_init)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """An operator that can make much out of little."""
        if operator == "+" and isinstance(left, (str, list, tuple)):
            check_length(len(left) + len(right))
        if operator == "*":
            for many, times in ((left, right), (right, left)):
                if isinstance(many, (str, bytes, list, tuple)) and isinstance(times, int):
                    check_length(len(many) * times)
        if operator == "**" and isinstance(left, int) and isinstance(right, int):
            _check_power(left, right)
        if operator == "%" and isinstance(left, str):
            _check_format(left)
        return super().call_binop(context, operator, left, right)

    def call(self, context: Context, obj: Any, *args: Any, **kwargs: Any) -> Any:
        """A call, with the methods of text among the bounded ones."""
        owner, name = getattr(obj, "__self__", None), getattr(obj, "__name__", "")
        if isinstance(owner, str) and name in ("replace", "join"):
            obj = _guarded(name, lambda value, *rest: getattr(value, name)(*rest))
            args = (owner, *args)
        return super().call(context, obj, *args, **kwargs)

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        """Text's own format method pads to any width and reads attributes: none of it."""
        return None if super().wrap_str_format(value) is None else _no_format

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """No Python internals, and no method that pads text to any width."""
        if isinstance(obj, str) and attr in _WIDENING_METHODS:
            return False
        return super().is_safe_attribute(obj, attr, value)


def _no_format(*args: object, **fields: object) -> str:  # noqa: ARG001 - stands for str.format
    raise TemplateLimitError("text has no format method here: use {{ '%.2f'|format(number) }}")


def check_length(length: int) -> None:
    """Raises TemplateLimitError for a text or list that is too long."""
    if length > MOST_CHARACTERS:
        raise TemplateLimitError(f"the template makes more than {MOST_CHARACTERS:,} characters")


def _guarded(name: str, wrapped: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that checks the size of its result before it makes it."""

    def checked(*args: Any, **kwargs: Any) -> Any:
        values = [arg for arg in (*args, *kwargs.values()) if not isinstance(arg, _PASSED)]
        if name in ("center", "indent", "wordwrap"):
            numbers = [value for value in values[1:] if isinstance(value, int)]
            longest = max((len(v) for v in values[1:] if isinstance(v, str)), default=0)
            if max([*numbers, longest], default=0) > _WIDEST:
                raise TemplateLimitError(f"filter {name} is limited to a width of {_WIDEST:,}")
        elif name == "format":
            _check_format(str(values[0]))
        elif name == "replace":
            old, new = str(values[1]), str(values[2])
            times = str(values[0]).count(old)
            check_length(len(str(values[0])) + times * len(new))
        elif name == "join" and args:
            checked_args = list(args)
            index = next(i for i, arg in enumerate(args) if not isinstance(arg, _PASSED))
            if isinstance(args[index], str) and len(values) > 1:  # "sep".join(values)
                items, separator = list(values[1]), str(values[0])
                checked_args[index + 1] = items
            else:
                items, separator = list(values[0]), str(values[1]) if len(values) > 1 else ""
                checked_args[index] = items
            check_length(sum(len(str(item)) + len(separator) for item in items))
            args = tuple(checked_args)
        return wrapped(*args, **kwargs)

    if hasattr(wrapped, "jinja_pass_arg"):  # the filter wants the context as its first argument
        checked.jinja_pass_arg = wrapped.jinja_pass_arg  # type: ignore[attr-defined]
    return checked


_PASSED = (Context, ImmutableSandboxedEnvironment, nodes.EvalContext)


def _check_power(base: int, exponent: int) -> None:
    if exponent > 0 and base.bit_length() * exponent > _MOST_POWER_BITS:
        raise TemplateLimitError("the template computes too large a power")


def _check_format(pattern: str) -> None:
    if _LONG_FORMAT.search(pattern):
        raise TemplateLimitError("the template formats to too great a width")


class _Counting(NodeTransformer):
    """Puts a step into every loop and macro, counts constant text, and bounds `~`."""

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802 - the visitor's naming
        self.generic_visit(node)
        node.body.insert(0, _call("step", node))
        return node

    def visit_Macro(self, node: nodes.Macro) -> nodes.Node:  # noqa: N802 - the visitor's naming
        self.generic_visit(node)
        node.body.insert(0, _call("step", node))
        return node

    def visit_Output(  # noqa: N802 - the visitor's naming
        self, node: nodes.Output
    ) -> nodes.Node | list[nodes.Node]:
        self.generic_visit(node)
        length = sum(len(one.data) for one in node.nodes if isinstance(one, nodes.TemplateData))
        return [_call("constant", node, nodes.Const(length)), node] if length else node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802 - the visitor's naming
        self.generic_visit(node)
        joined = nodes.EnvironmentAttribute("concatenated")
        return nodes.Call(joined, node.nodes, [], None, None, lineno=node.lineno)


def _call(method: str, near: nodes.Node, *args: nodes.Expr) -> nodes.ExprStmt:
    called = nodes.EnvironmentAttribute(method)
    call = nodes.Call(called, list(args), [], None, None, lineno=near.lineno)
    return nodes.ExprStmt(call, lineno=near.lineno)
