"""Values over occupied working sets: points, their running quartiles, and where caches end."""

from collections.abc import Mapping, Sequence

import altair as alt
import numpy as np
import polars as pl

from wattlas.hardware.machine import Machine
from wattlas.hardware.placement_table import place_many
from wattlas.report.data import KINDS, MAX_MARKS, ReportData, thin
from wattlas.report.figures.paper.parts import pick
from wattlas.report.figures.paper.windows import EVERY, running_quartiles
from wattlas.report.figures.parts import HEIGHT, TABLE, apply_filters, log_axis, tips
from wattlas.report.figures.working_set import BYTES, SETS, limits

POINT, WINDOW, CACHE = "point", "window", "cache"


def occupied(experiments: pl.DataFrame, machines: Mapping[str, Machine]) -> pl.DataFrame:
    """The experiments with `l_bytes` to `d_bytes`, what each set and those below it take of one cache unit.

    On a machine whose caches are not known, the set's total bytes.
    """
    parts = experiments.partition_by("machine", maintain_order=True)
    return (
        pl.concat([_placed(part, machines.get(part["machine"][0])) for part in parts])
        if parts
        else experiments
    )


def _placed(rows: pl.DataFrame, machine: Machine | None) -> pl.DataFrame:
    l, f, b, d = (rows[f"ws_{name}_bytes"].to_numpy() for name in "lfbd")  # noqa: E741
    if machine is None or not machine.hierarchy:
        return rows.with_columns(pl.col(f"ws_{name}_bytes").alias(f"{name}_bytes") for name in "lfbd")
    levels, parameters = machine.hierarchy, f - l
    inner = place_many(levels, 0, l)
    backward = place_many(levels, 2 * parameters, b - l - 2 * parameters, inner)
    places = {
        "l": inner,
        "f": place_many(levels, parameters, 0, inner),
        "b": backward,
        "d": place_many(levels, 0, d - b, backward),
    }
    return rows.with_columns(pl.Series(f"{name}_bytes", p.occupied_bytes) for name, p in places.items())


def over_sets(
    rows: pl.DataFrame, value: str, sets: Sequence[str], data: ReportData, keep: Sequence[str]
) -> pl.DataFrame:
    """Rows of three kinds (`kind`), for each working set of `sets` and each kind of energy.

    point: `value` of an experiment, with the columns `keep`; thinned evenly in the order of bytes. window:
    its running median, `q25` and `q75`. cache: `level` is full at `bytes`.
    """
    groups = rows.partition_by(KINDS, maintain_order=True)
    share = MAX_MARKS // 2 // max(1, len(groups) * len(sets))
    tables = [
        _of_set(group, value, name, share, data.machines.get(group["machine"][0]), keep)
        for group in groups
        for name in sets
    ]
    return pl.concat(tables, how="diagonal_relaxed") if tables else pl.DataFrame()


def _of_set(
    group: pl.DataFrame, value: str, name: str, share: int, machine: Machine | None, keep: Sequence[str]
) -> pl.DataFrame:
    same = [pl.lit(group[kind][0]).alias(kind) for kind in KINDS] + [pl.lit(name).alias("working_set")]
    bytes_ = pl.col(f"{name}_bytes")
    known = group.filter(bytes_ > 0).sort(bytes_)
    points = known.select(pl.lit(POINT).alias("kind"), bytes_.alias("bytes"), value, *keep)
    windows = running_quartiles(np.log2(known[f"{name}_bytes"].to_numpy()), known[value].to_numpy())
    lines = windows[::EVERY].select(
        pl.lit(WINDOW).alias("kind"),
        (2 ** pl.col("x")).alias("bytes"),
        pl.col("median").alias(value),
        "q25",
        "q75",
        "run",
    )
    ends = limits(machine) if machine is not None else []
    caches = pl.DataFrame(
        [{"kind": CACHE, "level": level, "bytes": limit} for level, limit in ends],
        schema={"kind": pl.String, "level": pl.String, "bytes": pl.Float64},
    )
    return pl.concat([thin(points, share), lines, caches], how="diagonal").select(*same, pl.all())


def draw_over_sets(table: pl.DataFrame, value: str, title: str, keep: Sequence[str]) -> alt.LayerChart:
    """One working set and kind of energy at a time: points, median in a band of quartiles, cache ends."""
    sets = [name for name in SETS if name in table["working_set"].unique().to_list()]
    chosen = alt.selection_point(
        name="pick_set",
        fields=["working_set"],
        bind=alt.binding_select(options=sets, labels=[f"{n}: {SETS[n]}" for n in sets], name="Working set "),
        value=[{"working_set": sets[0]}],
    )
    x = log_axis("bytes", "Working set of one cache unit, with what it lies on (bytes)") | {
        "scale": alt.Scale(type="log", base=2, nice=False, padding=16),
        "axis": alt.Axis(tickCount=9, labelExpr=BYTES, labelOverlap="greedy"),
    }
    base = alt.Chart(TABLE).encode(x=alt.X(**x))
    points, windows, caches = (base.transform_filter(f"datum.kind === '{k}'") for k in (POINT, WINDOW, CACHE))
    y = alt.Y(**log_axis(value, title, "~s" if value.endswith("_j") else "~g"))
    band = alt.Y(**log_axis("q25", title, "~s" if value.endswith("_j") else "~g"))
    layers = [
        points.mark_point(filled=True, size=16, opacity=0.45).encode(
            y=y, color=alt.Color("depth:O", title="Depth"), tooltip=tips(*keep, "bytes", value)
        )
    ]
    # A layer without data makes Vega warn.
    kinds = set(table["kind"])
    if CACHE in kinds:
        names = caches.mark_text(align="right", dx=-5, dy=6, baseline="top", fontWeight="bold")
        layers += [
            caches.mark_rule(strokeDash=[5, 4], strokeWidth=1.5),
            names.encode(y=alt.value(0), text="level:N"),
        ]
    if WINDOW in kinds:
        layers += [
            windows.mark_area(opacity=0.25).encode(y=band, y2="q75:Q", detail="run:N"),
            windows.mark_line(strokeWidth=2.5).encode(y=y, detail="run:N"),
        ]
    layered = apply_filters(alt.layer(*layers), [chosen])
    return pick(layered, table).properties(width="container", height=HEIGHT)


def windows_said(table: pl.DataFrame, set_name: str) -> pl.DataFrame:
    """The windows of a set in a table of one kind of energy."""
    return table.filter((pl.col("kind") == WINDOW) & (pl.col("working_set") == set_name)).sort("bytes")
