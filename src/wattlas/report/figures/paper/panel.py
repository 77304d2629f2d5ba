"""How a panel of the published figure 3 is drawn and told."""

from collections.abc import Callable, Sequence

import altair as alt
import polars as pl

from wattlas.core.units import format_si
from wattlas.report.data import KINDS, ReportData, by_kind
from wattlas.report.figures.figure import Figure
from wattlas.report.figures.paper.medians import ALL, Panel, marginal, panel_table, quantities
from wattlas.report.figures.paper.parts import difference, machine_colour, origin_dash, origin_sources, pick
from wattlas.report.figures.parts import HEIGHT, TABLE, log_axis, tips
from wattlas.report.published import PUBLISHED, split

MISSING = "No experiment on more than 500 observations has an energy."


def draw_panel(
    table: pl.DataFrame, panel: Panel, x_title: str, y_title: str, log_x: bool = True
) -> alt.LayerChart:
    """Medians joined by lines, thick of all and thin of groups, bars from quartile to quartile."""
    title = f"{y_title} (J, {origin_sources(table)})"
    x = log_axis(panel.x, x_title)
    if not log_x:
        x = {
            "shorthand": f"{panel.x}:Q",
            "title": x_title,
            "scale": alt.Scale(zero=False, nice=False, padding=12),
        }
    whole = f"datum.group === '{ALL}'"
    base = alt.Chart(TABLE).encode(x=alt.X(**x), color=machine_colour(table))
    y = alt.Y(**log_axis(panel.y, title))
    lines = base.mark_line().encode(
        y=y,
        detail="group:N",
        strokeDash=origin_dash(table),
        strokeWidth=alt.condition(whole, alt.value(2.4), alt.value(1.0)),
        opacity=alt.condition(whole, alt.value(1.0), alt.value(0.75)),
    )
    groups = table["group"].unique().to_list()
    order = sorted(groups, key=lambda name: (name != ALL, len(name), name))
    marks = base.encode(
        y=y,
        shape=alt.Shape("group:N", title="Median of", sort=order, scale=alt.Scale(domain=order)),
        tooltip=tips("origin", "machine", "group", panel.x, panel.y, "experiments"),
    )
    points = marks.transform_filter(f"datum.origin !== '{PUBLISHED}'").mark_point(filled=True, size=44)
    # Bars of what is published would lie on ours.
    bars = (
        base.transform_filter(f"{whole} && datum.lower_j > 0 && datum.origin !== '{PUBLISHED}'")
        .mark_rule(opacity=0.4, strokeWidth=1.5)
        .encode(y=alt.Y(**log_axis("lower_j", title)), y2="upper_j:Q")
    )
    layers = [bars, lines, points]
    # A layer without data makes Vega warn.
    if split(table)[1].height:
        rings = marks.transform_filter(f"datum.origin === '{PUBLISHED}'")
        layers.append(rings.mark_point(filled=False, size=24))
    return pick(alt.layer(*layers), table, together=("machine",)).properties(width="container", height=HEIGHT)


def describe_panel(
    table: pl.DataFrame, data: ReportData, panel: Panel, within: Sequence[str], unit: str, least: int = 0
) -> str:
    """Span of the medians and what one more of x adds, of each kind of energy.

    The increase is over experiments whose x is at least `least`.
    """
    own, published = split(table)
    experiments = quantities(data)
    sentences = []
    for machine, source, group in by_kind(own):
        every = group.filter(pl.col("group") == ALL).sort(panel.x)[panel.y]
        rows = experiments.filter(
            *(pl.col(name) == group[name][0] for name in KINDS), pl.col(panel.x) >= least
        )
        parts = [
            f"On {machine} ({source}) the median goes from {format_si(every[0], 'J')} to "
            f"{format_si(every[-1], 'J')}",
            _added(marginal(rows, within, panel.x, panel.y) if within else None, unit),
            difference(group, published, ["machine", "group", panel.x], panel.y),
        ]
        sentences.append("; ".join(part for part in parts if part) + ".")
    return " ".join(sentences) + " Bars: quartiles. No median is over two machines."


def _added(slopes: tuple[float, float, float] | None, unit: str) -> str:
    if slopes is None:
        return ""
    low, middle, high = slopes
    return f"one more {unit} adds {middle:.3g} J (quartiles {low:.3g} and {high:.3g})"


def panel_figure(
    name: str, title: str, panel: Panel, draw: Callable[[pl.DataFrame], alt.LayerChart],
    describe: Callable[[pl.DataFrame, ReportData], str],
) -> Figure:  # fmt: skip
    """The figure of a panel."""
    return Figure(
        name=name,
        section="paper",
        title=title,
        compute=lambda data: panel_table(data, panel),
        draw=lambda table, _: draw(table),
        describe=describe,
        missing=MISSING,
    )
