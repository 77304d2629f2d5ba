"""The part of a plan that a table of runs names, such as the table of an experimental design."""

from dataclasses import replace
from pathlib import Path

import polars as pl

from wattlas.campaign.plan import Plan
from wattlas.core.errors import SpecError

_COLUMNS = ("dataset", "shape", "widths")


def only(plan: Plan, table: Path) -> Plan:
    """`plan` with the experiments alone that are in the CSV `table` (columns dataset, shape, widths).

    Raises:
        SpecError: it cannot be read, lacks a column, or has a row that the plan does not have.
    """
    try:
        frame = pl.read_csv(table, infer_schema=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = str(error).splitlines()[0]
        raise SpecError(f"cannot read the runs {table}: {reason}; give a CSV") from error
    if missing := [name for name in _COLUMNS if name not in frame.columns]:
        raise SpecError(f"{table} has no column {missing[0]!r}; runs need {', '.join(_COLUMNS)}")
    # Two shapes can have the same widths; one of them is then merged into the other, unless it is residual.
    there = {
        (e.dataset, " ".join(map(str, e.network.widths)), e.network.residual): e for e in plan.experiments
    }
    wanted = set()
    for row, (dataset, shape, widths) in enumerate(frame.select(_COLUMNS).iter_rows(), start=1):
        key = (dataset, widths, shape == "rectangle_residual")
        if key not in there:
            raise SpecError(
                f"{table}, row {row}: the sweep has no {shape} of widths {widths} on {dataset}; make the "
                "runs anew for this sweep"
            )
        wanted.add(there[key].experiment_id)
    return replace(
        plan,
        runs=tuple(r for r in plan.runs if r.experiment.experiment_id in wanted),
        experiments=tuple(e for e in plan.experiments if e.experiment_id in wanted),
        left_out=(),
        merged=0,
    )
