"""Whether a dataset is what it should be: every rule, applied to every table."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wattlas.dataset.rules import RULES, Finding, Rule
from wattlas.dataset.rules.subject import Subject, load_subject


@dataclass(frozen=True)
class Check:
    """A rule and what it found."""

    rule: Rule
    finding: Finding

    @property
    def is_broken(self) -> bool:
        """Whether anything breaks the rule."""
        return self.finding.broken > 0

    def as_json(self) -> dict[str, Any]:
        """For one entry of `checks` in the command's JSON."""
        return {
            "rule": self.rule.name,
            "severity": self.rule.severity,
            "broken": self.finding.broken,
            "examples": list(self.finding.examples),
            "checked": self.finding.checked,
            "promise": self.rule.promise,
        }


@dataclass(frozen=True)
class Verdict:
    """Every rule's check of one dataset."""

    subject: Subject
    checks: tuple[Check, ...]

    @property
    def errors(self) -> tuple[Check, ...]:
        """Broken rules that make the dataset invalid."""
        return tuple(c for c in self.checks if c.is_broken and c.rule.severity == "error")

    @property
    def warnings(self) -> tuple[Check, ...]:
        """Broken rules that do not."""
        return tuple(c for c in self.checks if c.is_broken and c.rule.severity == "warning")

    @property
    def valid(self) -> bool:
        """Whether no error was found."""
        return not self.errors


def validate(directory: Path) -> Verdict:
    """Check a dataset directory against every rule; a broken one never hides another.

    Raises:
        StoreError: the directory is no dataset.
    """
    subject = load_subject(directory)
    return Verdict(subject, tuple(Check(rule, rule.apply(subject)) for rule in RULES))
