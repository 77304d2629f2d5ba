"""A figure drawn: its table as CSV text, its chart as a Vega-Lite spec, or an SVG or PNG file."""

from typing import Any

import polars as pl

from wattlas.report.data import ReportData
from wattlas.report.figures import Figure
from wattlas.report.theme import LIGHT

EXPORT_WIDTH = 760


def csv_text(table: pl.DataFrame) -> str:
    """The table as CSV: what the chart draws and what a reader downloads."""
    return table.write_csv(datetime_format="%Y-%m-%dT%H:%M:%S%.3fZ")


def compact(table: pl.DataFrame) -> pl.DataFrame:
    """Floats to six significant digits, more than any reading of a chart or any uncertainty here needs."""
    floats = [name for name, kind in table.schema.items() if kind.is_float()]
    return table.with_columns(pl.col(floats).round_sig_figs(6)) if floats else table


def spec(figure: Figure, table: pl.DataFrame, data: ReportData) -> dict[str, Any]:
    """The Vega-Lite specification without its data and its theme."""
    made: dict[str, Any] = figure.draw(table, data).to_dict(context={"pre_transform": False}, validate=True)
    made.pop("config", None)
    return made


def compiled(chart: dict[str, Any], theme: dict[str, Any]) -> dict[str, Any]:
    """The Vega specification of a Vega-Lite one in a theme; its data set `table` is left empty."""
    import vl_convert

    made: dict[str, Any] = vl_convert.vegalite_to_vega(chart, config=theme)
    made.pop("$schema", None)
    return made


def parse_rules(table: pl.DataFrame) -> dict[str, str]:
    """How Vega is to read each CSV column."""
    rules = {}
    for name, kind in table.schema.items():
        if kind.is_numeric():
            rules[name] = "number"
        elif kind.is_temporal():
            rules[name] = "date"
        else:
            rules[name] = "string"
    return rules


def export(figure: Figure, table: pl.DataFrame, data: ReportData, kind: str) -> bytes:
    """The figure as a file's content; `kind` is `svg`, `png` or `csv`.

    A drawing shows what the page shows before anybody picks something else; its subtitle says what that is.
    """
    if kind == "csv":
        return csv_text(table).encode()
    import vl_convert

    made = spec(figure, table, data)
    if made.get("width") == "container":
        made["width"] = EXPORT_WIDTH
    made["data"] = {
        "name": "table",
        "values": csv_text(compact(table)),
        "format": {"type": "csv", "parse": parse_rules(table)},
    }
    made["title"] = {"text": figure.title, "subtitle": _picked(made), "anchor": "start", "offset": 12}
    config = LIGHT | {"background": "white", "font": "sans-serif"}
    if kind == "svg":
        return str(vl_convert.vegalite_to_svg(made, config=config)).encode()
    return bytes(vl_convert.vegalite_to_png(made, scale=2, config=config))


def _picked(chart: dict[str, Any]) -> str:
    """The values that the chart's filters start with."""
    values = [
        f"{field}: {value}"
        for param in chart.get("params", ())
        if isinstance(param.get("value"), list)
        for field, value in param["value"][0].items()
    ]
    return ", ".join(values)
