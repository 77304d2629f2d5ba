"""The page: sections, figures, data and scripts in one HTML file that asks nothing of the network."""

import base64
import hashlib
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib.resources import files

import polars as pl

import wattlas
from wattlas.report import sections
from wattlas.report.data import ReportData, sources_of
from wattlas.report.drawing import compact, compiled, csv_text, parse_rules, spec
from wattlas.report.figures import Figure, figure_names, load_figure
from wattlas.report.markup import badges, embed_json
from wattlas.report.theme import DARK, LIGHT


@dataclass(frozen=True)
class Section:
    """A section: its id, heading, and the function that writes what stands above its figures."""

    id: str
    title: str


SECTIONS = (
    Section("measured", "What was measured, and how"),
    Section("dataset", "The dataset"),
    Section("energy", "Energy"),
    Section("cache", "Cache"),
    Section("advice", "Loss and advice"),
    Section("model", "The energy model"),
    Section("qc", "Quality control"),
)


@cache
def _library() -> str:
    """Vega and vega-embed as one script, as vl-convert ships them; it sets `window.vegaEmbed`."""
    import vl_convert

    bundle = str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))
    # The HTML parser ends a script at this, whatever the JavaScript around it.
    return bundle.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def render(data: ReportData) -> str:
    """The report as HTML text."""
    figures = [load_figure(name) for name in figure_names()]
    tables = {figure.name: figure.compute(data) for figure in figures}
    texts = {
        "measured": sections.measured(data),
        "dataset": sections.dataset(data),
        "advice": sections.advice(data),
        "qc": sections.quality(data),
    }
    body, store = [], []
    for section in SECTIONS:
        parts = [texts.get(section.id, "")]
        for figure in figures:
            if figure.section == section.id:
                shown, embedded = _figure(figure, tables[figure.name], data)
                parts.append(shown)
                store.append(embedded)
        heading = f'<h2 id="{section.id}-title">{escape(section.title)}</h2>'
        body.append(
            f'<section id="{section.id}" aria-labelledby="{section.id}-title">{heading}{"".join(parts)}</section>'
        )
    contents = "".join(f'<li><a href="#{s.id}">{escape(s.title)}</a></li>' for s in SECTIONS)
    assets = files("wattlas.report") / "assets"
    style = (assets / "report.css").read_text()
    scripts = [_library(), (assets / "report.js").read_text()]
    hashes = " ".join(f"'sha256-{_digest(script)}'" for script in scripts)
    # Vega compiles its expressions, hence unsafe-eval; nothing may be fetched from anywhere.
    policy = (
        f"default-src 'none'; script-src {hashes} 'unsafe-eval'; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    title = escape(data.title)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="wattlas {wattlas.__version__}">
<title>{title} – Wattlas report</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the report</a>
<header>
<h1>{title}</h1>
<p class="lead">What training these networks took, in joules. Energies are {badges(data.sources)}.</p>
{sections.notice(data)}
{sections.tiles(data)}
<nav aria-label="Contents"><ol>{contents}</ol></nav>
</header>
<main id="main">
<noscript><p class="notice">The charts need JavaScript, which is in this file; the tables do not.</p></noscript>
{"".join(body)}
</main>
<footer><p>Made by Wattlas {wattlas.__version__}. This file holds all that it shows and fetches nothing.</p></footer>
<div id="tip" role="tooltip"></div>
{"".join(store)}
<script>{scripts[0]}</script>
<script>{scripts[1]}</script>
</body>
</html>
"""


def _figure(figure: Figure, table: pl.DataFrame, data: ReportData) -> tuple[str, str]:
    name = figure.name
    if table.is_empty():
        return f"<h3>{escape(figure.title)}</h3><p>{escape(figure.missing)}</p>", ""
    small = compact(table)
    shown = f"""<figure id="figure-{name}" aria-labelledby="title-{name}">
<figcaption><div class="figure-head"><h3 id="title-{name}">{escape(figure.title)} {badges(sources_of(table))}</h3>
<button type="button" data-csv="{name}" aria-label="Download the data of: {escape(figure.title, quote=True)} (CSV)">\
Data (CSV)</button></div>
<p id="says-{name}">{escape(figure.describe(table, data))}</p></figcaption>
<div class="binds" id="binds-{name}"></div>
<div class="chart" id="chart-{name}" data-figure="{name}"></div>
<details data-table="{name}"><summary>The first 100 rows</summary><div class="scroll" tabindex="0" role="region" \
aria-label="Data of: {escape(figure.title, quote=True)}"></div></details>
</figure>"""
    chart = spec(figure, small, data)
    content = {"light": compiled(chart, LIGHT), "dark": compiled(chart, DARK), "parse": parse_rules(small)}
    embedded = (
        f'<script type="application/json" id="spec-{name}">{embed_json(content)}</script>\n'
        f'<script type="application/json" id="data-{name}">{embed_json(csv_text(small))}</script>\n'
    )
    return shown, embedded


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
