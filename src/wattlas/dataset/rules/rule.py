"""What a rule is: a promise about a dataset, and a check that counts what breaks it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import polars as pl

from wattlas.dataset.rules.subject import Subject

Severity = Literal["error", "warning"]
MAX_EXAMPLES = 5


@dataclass(frozen=True)
class Finding:
    """How many things a check looked at, how many of them are broken, and the ids of the first of those."""

    checked: int = 0
    broken: int = 0
    examples: tuple[str, ...] = ()

    def __add__(self, other: "Finding") -> "Finding":
        examples = tuple(dict.fromkeys((*self.examples, *other.examples)))[:MAX_EXAMPLES]
        return Finding(self.checked + other.checked, self.broken + other.broken, examples)


Check = Callable[[Subject], Finding]


@dataclass(frozen=True)
class Rule:
    """A named promise. `needs` are the columns (`table.column`) without which there is nothing to check.

    An `error` makes the dataset invalid; a `warning` is only told.
    """

    name: str
    promise: str
    check: Check
    needs: tuple[str, ...] = ()
    severity: Severity = "error"

    def apply(self, subject: Subject) -> Finding:
        """The finding; nothing checked where a needed column is absent."""
        return self.check(subject) if all(map(subject.has, self.needs)) else Finding()


REGISTERED: dict[str, Rule] = {}


def rule(name: str, promise: str, *needs: str, severity: Severity = "error") -> Callable[[Check], Check]:
    """Decorate a check to make it the rule `name`."""

    def register(check: Check) -> Check:
        assert name not in REGISTERED, name
        REGISTERED[name] = Rule(name, promise, check, needs, severity)
        return check

    return register


def among(frame: pl.DataFrame, bad: pl.Expr, key: str) -> Finding:
    """The rows for which `bad` is true (a null is not), named by their `key`."""
    broken = frame.filter(bad)
    return Finding(frame.height, broken.height, first(broken[key]))


def listed(checked: int, broken: list[str]) -> Finding:
    """The things in `broken`, of `checked` looked at."""
    return Finding(checked, len(broken), tuple(broken[:MAX_EXAMPLES]))


def first(ids: pl.Series) -> tuple[str, ...]:
    """The first distinct ids of a column, in its own order; a null is `null`."""
    return tuple("null" if i is None else str(i) for i in ids.unique(maintain_order=True).head(MAX_EXAMPLES))
