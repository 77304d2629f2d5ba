"""Whether a dataset is what it should be: every rule, applied to every table."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from wattlas.dataset.rules import RULES, Finding, Rule
from wattlas.dataset.rules.subject import Subject, load_subject

# What the published pipeline breaks, no mistake of an import of its numbers: its join added the power of
# other nodes, its experiments are those of the summary only, and it merged depth 2 after leaving runs out.
_PUBLISHED_SLIPS = ("mean-power", "runs-of-experiments", "configuration")


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

    What the published pipeline's own slips break is a warning if its numbers were asked for.

    Raises:
        StoreError: the directory is no dataset.
    """
    subject = load_subject(directory)
    slips = _PUBLISHED_SLIPS if subject.is_upstream_compatible else ()
    rules = (replace(rule, severity="warning") if rule.name in slips else rule for rule in RULES)
    return Verdict(subject, tuple(Check(rule, rule.apply(subject)) for rule in rules))
