"""The page: sections, figures, data and scripts in one HTML file that asks nothing of the network."""

import base64
import hashlib
from functools import cache
from html import escape
from importlib.resources import files

import polars as pl

import wattlas
from wattlas.report import sections
from wattlas.report.data import ReportData, sources_of
from wattlas.report.drawing import compact, compiled, csv_text, parse_rules, spec
from wattlas.report.figures import Figure, figure_names, load_figure
from wattlas.report.markup import badges, data_uri, embed_json
from wattlas.report.theme import DARK, LIGHT

# Id and heading, in the order of the page; figures name the one they stand in.
SECTIONS = {
    "measured": "What was measured, and how",
    "dataset": "The dataset",
    "energy": "Energy",
    "cache": "Cache",
    "advice": "Loss and advice",
    "model": "The energy model",
    "qc": "Quality control",
    "paper": "The figures of the BUTTER-E paper",
}


@cache
def _library() -> str:
    """Vega and vega-embed as one script, as vl-convert ships them; it sets `window.vegaEmbed`."""
    import vl_convert

    bundle = str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))
    # The HTML parser ends a script at this, whatever the JavaScript around it.
    return bundle.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def render(data: ReportData) -> str:
    """The report as HTML text."""
    texts = {
        "measured": sections.measured(data),
        "dataset": sections.dataset(data),
        "advice": sections.advice(data),
        "qc": sections.quality(data),
    }
    parts = {name: [f'<h2 id="{name}-title">{escape(title)}</h2>'] for name, title in SECTIONS.items()}
    specs = []
    for name, text in texts.items():
        parts[name].append(text)
    for figure in map(load_figure, figure_names()):
        shown, embedded = _figure(figure, data)
        parts[figure.section].append(shown)
        specs.append(embedded)
    body = "\n".join(
        f'<section id="{name}" aria-labelledby="{name}-title">{"".join(part)}</section>'
        for name, part in parts.items()
    )
    contents = "".join(f'<li><a href="#{name}">{escape(title)}</a></li>' for name, title in SECTIONS.items())
    return _document(data, contents, body, "".join(specs))


def _document(data: ReportData, contents: str, body: str, specs: str) -> str:
    assets = files("wattlas.report") / "assets"
    style = (assets / "report.css").read_text("utf-8")
    scripts = [_library(), (assets / "report.js").read_text("utf-8")]
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
<noscript><p class="notice">The charts need JavaScript, which is in this file. The tables and the data do not.
</p></noscript>
{body}
</main>
<footer><p>Made by Wattlas {wattlas.__version__}. It fetches nothing.</p></footer>
<div id="tip" role="tooltip"></div>
{specs}
<script>{scripts[0]}</script>
<script>{scripts[1]}</script>
</body>
</html>
"""


def _figure(figure: Figure, data: ReportData) -> tuple[str, str]:
    """A figure's place on the page, and its chart as JSON."""
    name, title, table = figure.name, escape(figure.title, quote=True), figure.compute(data)
    if table.is_empty():
        return f'<div id="figure-{name}"><h3>{title}</h3><p>{escape(figure.missing)}</p></div>', ""
    drawn = compact(table)
    chart = spec(figure, drawn, data)
    content = {"light": compiled(chart, LIGHT), "dark": compiled(chart, DARK), "parse": parse_rules(drawn)}
    shown = f"""<figure id="figure-{name}" aria-labelledby="title-{name}">
<figcaption><div class="figure-head"><h3 id="title-{name}">{title} {badges(sources_of(table))}</h3>
<a class="csv" id="csv-{name}" download="{name}.csv" href="{data_uri(csv_text(drawn))}" \
aria-label="Download the data of: {title} (CSV)">Data (CSV)</a></div>
<p id="says-{name}">{escape(figure.describe(table, data))}</p></figcaption>
<div class="binds" id="binds-{name}"></div>
<div class="chart" id="chart-{name}" data-figure="{name}"></div>
<details data-table="{name}"><summary>{_rows(table)}</summary><div class="scroll" tabindex="0" role="region" \
aria-label="Data of: {title}"></div></details>
</figure>"""
    return shown, f'<script type="application/json" id="spec-{name}">{embed_json(content)}</script>\n'


def _rows(table: pl.DataFrame) -> str:
    return f"The first 100 of {table.height:,} rows" if table.height > 100 else f"All {table.height} rows"


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
