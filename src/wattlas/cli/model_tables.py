"""What `wattlas model` prints for people."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table


def show_errors(result: Mapping[str, Mapping[str, Any]], group_by: str) -> None:
    """A table of held-out errors: each machine, its baselines, its groups."""
    console = Console(highlight=False)
    for machine, errors in result.items():
        if errors["n"] == 0:
            console.print(f"{machine}: {errors['reason']}")
            continue
        title = f"{machine}: errors on held-out groups of {group_by}"
        table = Table(title=title, title_justify="left")
        for column in ("", "mean error", "median", "ratio sd", "bias", "95 % holds", "n"):
            table.add_column(column, justify="right" if column else "left")
        _row(table, "this model", errors)
        missing = []
        for name, each in errors.get("baselines", {}).items():
            if each["n"]:
                _row(table, name, each)
            else:
                missing.append(f"{name}: {each['reason']}")
        table.add_section()
        for name, each in errors.get("groups", {}).items():
            _row(table, f"{group_by} {name}", each)
        console.print(table)
        for line in missing:
            console.print(line)


def _row(table: Table, name: str, errors: Mapping[str, Any]) -> None:
    shown = [
        "–" if errors[key] is None else f"{errors[key]:.1%}"
        for key in ("mape", "median_ape", "log_sd", "bias", "coverage_95")
    ]
    table.add_row(name, *shown, str(errors["n"]))
