"""Attribution: what the energy per datum is made of, by the model, against the size of the network."""

import altair as alt
import polars as pl

from wattlas.model import load_model
from wattlas.report.data import KINDS, MAX_MARKS, ReportData, by_kind
from wattlas.report.figures.figure import Figure
from wattlas.report.figures.parts import HEIGHT, TABLE, apply_filters, filters, say_source, tips

GROUP = ["dataset", *KINDS, "size_bin"]
MEANINGS = {"idle": "idle power", "launch": "steps and layers", "compute": "operations"}


def compute(data: ReportData) -> pl.DataFrame:
    """One row per dataset, kind of energy, power of two of the size and cause: mean over its experiments.

    Means, unlike medians, of the causes sum to the mean of the whole. Very many datasets become one, `all`.
    """
    if data.model_path is None or data.energies.is_empty():
        return pl.DataFrame()
    model = load_model(data.model_path)
    points = data.energies.filter(pl.col("machine").is_in(list(model.machines_)))
    if points.is_empty():
        return pl.DataFrame()
    parts = model.attribute(points)
    size = (2 ** pl.col("n_parameters").log(2).round()).cast(pl.Int64).alias("size_bin")
    groups = points.select("dataset", *KINDS, size)
    if groups.n_unique() * parts.width > MAX_MARKS:
        groups = groups.with_columns(dataset=pl.lit("all"))
    table = (
        groups.hstack(parts.rename({name: name.removesuffix("_j") for name in parts.columns}))
        .unpivot(index=GROUP, variable_name="cause", value_name="energy_per_datum_j")
        .drop_nulls("energy_per_datum_j")
        .group_by(*GROUP, "cause", maintain_order=True)
        .agg(pl.col("energy_per_datum_j").mean(), pl.len().alias("experiments"))
    )
    whole = pl.col("energy_per_datum_j").sum().over(GROUP)
    order = pl.Series(["idle", "launch", "compute"])
    rank = pl.col("cause").replace_strict(order, range(3), default=3)
    return table.with_columns(
        (pl.col("energy_per_datum_j") / whole).alias("ratio_of_whole"),
        rank.alias("rank"),
        pl.lit("modelled").alias("predicted_source"),
    ).sort(*GROUP, "rank", "cause")


def draw(table: pl.DataFrame, data: ReportData) -> alt.LayerChart:
    """Stacked bars, one for each power of two."""
    causes = table.sort("rank", "cause")["cause"].unique(maintain_order=True).to_list()
    actual = say_source(table.drop("predicted_source"))
    bars = (
        alt.Chart(TABLE)
        .mark_bar()
        .encode(
            x=alt.X(
                "size_bin:O",
                title="Trainable parameters (nearest power of two)",
                axis=alt.Axis(format=".3~s"),
            ),
            y=alt.Y(
                "energy_per_datum_j:Q",
                title=f"Energy per datum, J (modelled; networks {actual})",
                stack="zero",
                axis=alt.Axis(format="~s"),
            ),
            color=alt.Color("cause:N", title="Cause", sort=causes),
            order=alt.Order("rank:Q"),
            tooltip=tips("cause", "size_bin", "energy_per_datum_j", "ratio_of_whole", "experiments"),
        )
    )
    return apply_filters(alt.layer(bars), filters(table, "dataset")).properties(
        width="container", height=HEIGHT
    )


def describe(table: pl.DataFrame, data: ReportData) -> str:
    """The largest causes of the smallest and the largest networks, by kind of energy."""
    parts = []
    for machine, source, group in by_kind(table):
        said = []
        sizes = group["size_bin"].unique().sort().to_list()
        for size in (sizes[0], sizes[-1]):
            own = (
                group.filter(pl.col("size_bin") == size)
                .group_by("cause")
                .agg(pl.col("energy_per_datum_j").sum())
            )
            share = own.with_columns(pl.col("energy_per_datum_j") / pl.col("energy_per_datum_j").sum())
            top = share.sort("energy_per_datum_j", descending=True).head(2).rows()
            said.append(f"at {size:,} parameters " + " and ".join(f"{_named(c)} {v:.0%}" for c, v in top))
        text = f"On {machine} ({source}), modelled: " + "; ".join(dict.fromkeys(said)) + "."
        if (
            not (group["cause"] == "idle").any()
            or group.filter(pl.col("cause") == "idle")["energy_per_datum_j"].sum() == 0
        ):
            text += " Its idle power is not known, so the other causes hold it."
        parts.append(text)
    return " ".join(parts) + " A level of memory holds the bytes whose working set lies in it."


def _named(cause: str) -> str:
    return MEANINGS.get(cause, f"traffic in {cause}")


FIGURE = Figure(
    name="attribution",
    section="model",
    title="What the energy is made of",
    compute=compute,
    draw=draw,
    describe=describe,
    missing="No energy model of these machines was given: make one with 'wattlas model fit DATASET -o "
    "MODEL.json', and report with --model MODEL.json.",
)
