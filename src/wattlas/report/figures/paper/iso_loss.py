"""Energy and FLOPs to reach one loss with networks of one family: the published figure 7, sample isolines."""

import altair as alt
import numpy as np
import polars as pl

from wattlas.core.units import format_si
from wattlas.report.data import KINDS, ReportData, by_kind
from wattlas.report.figures.figure import Figure
from wattlas.report.figures.paper.over_sets import occupied
from wattlas.report.figures.paper.parts import origin_dash, origin_sources, pick
from wattlas.report.figures.parts import HEIGHT, TABLE, log_axis, tips
from wattlas.report.figures.working_set import limits
from wattlas.report.loss_levels import N_LEVELS
from wattlas.report.published import beside, split

FAMILY = ["dataset", "shape", "depth"]
# The published families; other datasets show of each dataset the one with the most sizes.
PUBLISHED_FAMILIES = (
    ("connect_4", "trapezoid", 4),
    ("201_pol", "rectangle", 2),
    ("mnist", "rectangle", 6),
    ("sleep", "exponential", 8),
)
MOST_FAMILIES = 4
# Of the levels of a grid so many are drawn, the lowest left out.
DRAWN = np.linspace(0, N_LEVELS - 1, 30).round().astype(int)[1:]
CURVE, BOUNDARY = "curve", "boundary"


def compute(data: ReportData) -> pl.DataFrame:
    """Rows of two kinds (`kind`): `curve`, a network on a loss level; `boundary`, where a set leaves a cache.

    `rank` is 0 for the lowest loss drawn. `energy_j` and `flops` are those of training until the loss is
    reached.
    """
    levels = data.loss_levels
    if levels.experiments.is_empty():
        return pl.DataFrame()
    chosen = _families(levels.experiments)
    row = pl.Series("row", np.arange(levels.experiments.height))
    members = levels.experiments.with_columns(row).join(chosen, on=FAMILY, how="semi", maintain_order="left")
    data_trained = pl.col("n_train_batches") * pl.col("batch_size") * pl.col("epochs")
    curves = [
        members.with_columns(
            pl.lit(rank).alias("rank"),
            levels.loss(int(level)).alias("loss"),
            pl.Series("share", levels.share[members["row"].to_numpy(), level]).fill_nan(None),
        )
        for rank, level in enumerate(DRAWN)
    ]
    table = (
        pl.concat(curves)
        .drop_nulls("share")
        .select(
            *KINDS,
            *FAMILY,
            pl.lit(CURVE).alias("kind"),
            "rank",
            "loss",
            "size",
            "n_parameters",
            (pl.col("energy_per_datum_j") * data_trained * pl.col("share")).alias("energy_j"),
            (pl.col("flops_per_datum") * data_trained * pl.col("share")).alias("flops"),
        )
        .sort(*KINDS, *FAMILY, "rank", "n_parameters")
    )
    published = _published(data, table)
    whole = beside(pl.concat([table, _boundaries(members, data)], how="diagonal"), [published])
    network = pl.concat_str(
        "dataset", "shape", pl.lit("depth ") + pl.col("depth").cast(pl.String), separator=", "
    )
    return whole.with_columns(network.alias("network")) if table.height else pl.DataFrame()


def _families(experiments: pl.DataFrame) -> pl.DataFrame:
    """The published families that there are, else the longest of each dataset."""
    counts = experiments.group_by(FAMILY).agg(pl.col("size").n_unique()).sort(FAMILY)
    wanted = pl.DataFrame(PUBLISHED_FAMILIES, schema=counts.select(FAMILY).schema, orient="row")
    found = counts.join(wanted, on=FAMILY, how="semi", maintain_order="left")
    if found.is_empty():
        longest = counts.sort("size", descending=True, maintain_order=True)
        found = longest.unique("dataset", keep="first", maintain_order=True).head(MOST_FAMILIES)
    return found.select(FAMILY)


def _boundaries(members: pl.DataFrame, data: ReportData) -> pl.DataFrame:
    """Halfway (in log parameters) between the last network inside a level and the first outside."""
    rows = []
    for group in occupied(members, data.machines).sort("n_parameters").partition_by(*KINDS, *FAMILY):
        machine = data.machines.get(group["machine"][0])
        for level, limit in limits(machine) if machine is not None else []:
            for name in "lfb":
                outside = np.flatnonzero(group[f"{name}_bytes"].to_numpy() > limit)
                if outside.size and outside[0] > 0:
                    n = group["n_parameters"].to_numpy()[outside[0] - 1 : outside[0] + 1]
                    same = {key: group[key][0] for key in (*KINDS, *FAMILY)}
                    place = {"kind": BOUNDARY, "leaves": f"{name} > {level}"}
                    rows.append(same | place | {"boundary_parameters": float(np.sqrt(n[0] * n[1]))})
    schema = dict.fromkeys((*KINDS, "dataset", "shape", "kind", "leaves"), pl.String)
    table = pl.DataFrame(rows, schema=schema | {"depth": pl.Int64, "boundary_parameters": pl.Float64})
    # Sets that leave a level between the same two sizes share a line, whose label names them.
    return table.group_by(pl.exclude("leaves"), maintain_order=True).agg(pl.col("leaves").str.join(", "))


def _published(data: ReportData, table: pl.DataFrame) -> pl.DataFrame:
    """The published curves of the families and machines in `table`, energy and FLOPs in one row."""
    read = data.published_table("7_sample_isolines")
    if read is None:
        return table.clear()
    keys = ["machine", *FAMILY, "rank", "n_parameters"]
    rows = read.with_columns(
        pl.col("depth").cast(pl.Int64),
        pl.col("isoline_rank_low_loss_first").cast(pl.Int32).alias("rank"),
        pl.col("ntp").round().cast(pl.Int64).alias("n_parameters"),
    ).join(table, on=["machine", *FAMILY], how="semi", maintain_order="left")
    flops = rows.filter(pl.col("y_quantity") == "flops").select(*keys, flops="y")
    energies = rows.filter(pl.col("y_quantity") != "flops").select(
        *keys, "source", "domain", "origin", pl.lit(CURVE).alias("kind"), energy_j="y"
    )
    return energies.join(flops, on=keys, how="left", maintain_order="left")


def draw(table: pl.DataFrame, data: ReportData) -> alt.LayerChart:
    """One family and machine at a time; a line a loss level, dark for low losses."""
    chosen = alt.param(
        name="quantity",
        value="energy_j",
        bind=alt.binding_select(
            options=["energy_j", "flops"], labels=["energy (J)", "FLOPs"], name="To reach the loss "
        ),
    )
    base = alt.Chart(TABLE).encode(x=alt.X(**log_axis("n_parameters", "Trainable parameters")))
    curves = base.transform_filter(f"datum.kind === '{CURVE}'").transform_calculate(needed="datum[quantity]")
    boundaries = base.transform_filter(f"datum.kind === '{BOUNDARY}'").encode(
        x=alt.X(**log_axis("boundary_parameters", "Trainable parameters"))
    )
    title = f"Energy (J, {origin_sources(table)}) or FLOPs"
    rank = alt.Color("rank:Q", title="Loss level, 0 lowest")
    lines = curves.transform_filter("datum.needed > 0").encode(
        y=alt.Y(**log_axis("needed", title)), color=rank, detail="rank:N"
    )
    layers = [
        lines.mark_line(strokeWidth=1.6).encode(strokeDash=origin_dash(table)),
        lines.mark_point(filled=True, size=14).encode(
            tooltip=tips("origin", "machine", "network", "rank", "loss", "size", "n_parameters", "energy_j")
        ),
    ]
    # A layer without data makes Vega warn.
    if BOUNDARY in set(table["kind"]):
        names = boundaries.mark_text(angle=270, align="right", dx=-4, dy=-6, fontSize=11)
        layers += [
            boundaries.mark_rule(strokeDash=[5, 4], opacity=0.8),
            names.encode(y=alt.value(0), text="leaves:N"),
        ]
    layered = alt.layer(*layers).add_params(chosen)
    return pick(layered, table, "network").properties(width="container", height=HEIGHT)


def describe(table: pl.DataFrame, data: ReportData) -> str:
    """The cheapest size at the lowest level drawn, of each family and machine."""
    own, published = split(table)
    parts = []
    for machine, source, group in by_kind(own.filter(pl.col("kind") == CURVE)):
        said = []
        for name, family in group.group_by("network", maintain_order=True):
            least = family.filter(pl.col("rank") == family["rank"].min()).sort("energy_j").row(0, named=True)
            said.append(
                f"{name[0]} reaches {least['loss']:.3g} for the least energy, "
                f"{format_si(least['energy_j'], 'J')}, with {least['n_parameters']:,} parameters"
            )
        parts.append(f"On {machine} ({source}) {'; '.join(said)}.")
    if published.height:
        parts.append("Dashed curves: published, whose levels are of other losses, not in the tables at hand.")
    parts.append(
        "Dashed upright lines: there a working set (l, f or b) leaves a cache level, between two sizes."
    )
    return " ".join(parts)


FIGURE = Figure(
    name="paper-iso-loss",
    section="paper",
    title="Energy to reach a loss, by network size",
    compute=compute,
    draw=draw,
    describe=describe,
    missing="No loss curve is known: no run of this dataset recorded a test loss by epoch, and it has none "
    "imported.",
)
