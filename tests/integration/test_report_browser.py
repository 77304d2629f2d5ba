"""The report in a headless browser: figures drawn, nothing on the console, nothing asked of the network."""

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest

from wattlas.model import EnergyModel
from wattlas.model.points import read_points_file
from wattlas.report import figure_names, load_report_data
from wattlas.report.page import render
from wattlas.testing.tables import make_tables, write_tables

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
OPTIONS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--v=0",
    "--virtual-time-budget=10000",
    "--window-size=1100,900",
]
# Runs made here have no quality control, and the trend is of no dataset.
DRAWN = {n for n in figure_names() if not n.startswith("paper-qc") and n != "paper-trend"}
DARK = "--blink-settings=preferredColorScheme=0"

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium here: apt-get install chromium")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Measured and modelled energies, names that are markup and CSV at once, and a model."""
    path = tmp_path_factory.mktemp("report")
    datasets = {'a "quoted", <b>bold</b>\nname': (1797, 64, 10), "wine": (178, 13, 3)}
    parts = [
        make_tables(datasets=datasets, log2_sizes=(8, 12, 16), source=source)
        for source in ("measured", "modelled")
    ]
    dataset = write_tables({name: pl.concat([p[name] for p in parts]) for name in parts[0]}, path / "dataset")
    read = read_points_file(dataset)
    measured = read.points.filter(pl.col("source") == "measured")
    EnergyModel(machines=read.machines).fit(measured).save(path / "model.json")
    page = path / "report.html"
    page.write_text(render(load_report_data(dataset, path / "model.json")), encoding="utf-8")
    return page


def browse(page: Path, profile: Path, *options: str) -> tuple[str, str]:
    """The document as it is after its scripts, and what went to the console."""
    assert BROWSER is not None
    result = subprocess.run(
        [BROWSER, *OPTIONS, f"--user-data-dir={profile}", *options, page.as_uri()],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return result.stdout, "\n".join(line for line in result.stderr.splitlines() if "CONSOLE" in line)


class Drawn(HTMLParser):
    """Of each chart the marks that are drawn, of each figure its filters."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.marks: dict[str, list[dict[str, str]]] = {}
        self.images: dict[str, str] = {}
        self.labels: list[str] = []
        self._chart = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {k: v or "" for k, v in attrs}
        if attributes.get("class", "").startswith("chart"):
            self._chart = attributes["data-figure"]
            self.marks[self._chart] = []
        if tag == "svg" and self._chart:
            self.images[self._chart] = attributes.get("role", "")
        if tag == "details":
            self._chart = ""
        if tag == "path" and self._chart and "aria-roledescription" in attributes:
            self.marks[self._chart].append(attributes)
        if tag == "label":
            self.labels.append(attributes.get("for", ""))


@pytest.mark.parametrize("options", [(), (DARK,)], ids=["light", "dark"])
def test_every_figure_is_drawn_without_a_word_on_the_console(
    report: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    text, console = browse(report, tmp_path, "--dump-dom", *options)
    assert console == ""
    assert 'data-ready="yes"' in text
    drawn = Drawn(text)
    assert set(drawn.marks) == DRAWN
    for name, marks in drawn.marks.items():
        assert drawn.images[name] == "img"
        described = [m["aria-roledescription"] for m in marks]
        assert len(described) > 1, name
        assert all(re.search(r"\d", m.get("d", "")) and "NaN" not in m["d"] for m in marks), name
    # One source at a time: digits measured, 3 shapes x 3 depths x 3 sizes, and not the modelled ones as well.
    points = [m for m in drawn.marks["energy-per-datum"] if m["aria-roledescription"] == "point"]
    assert len(points) == 27


def test_light_and_dark_differ(report: Path, tmp_path: Path) -> None:
    shots = []
    for name, options in (("light", ()), ("dark", (DARK,))):
        shot = tmp_path / f"{name}.png"
        browse(report, tmp_path / name, f"--screenshot={shot}", *options)
        shots.append(shot.read_bytes())
        assert shots[-1].startswith(b"\x89PNG")
    assert shots[0] != shots[1]


def test_the_table_under_a_figure_is_its_csv(report: Path, tmp_path: Path) -> None:
    # Opened in the file itself: a policy of the page lets no other script run.
    opened = tmp_path / "opened.html"
    opened.write_text(
        report.read_text("utf-8").replace("<details data-table", "<details open data-table"), encoding="utf-8"
    )
    text, console = browse(opened, tmp_path / "profile", "--dump-dom")
    assert console == ""
    assert text.count('<th scope="col">source</th>') == len(DRAWN)
    # The field holds quotes, a comma, a line break and markup, and is one cell.
    assert '<td>a "quoted", &lt;b&gt;bold&lt;/b&gt;\nname</td>' in text


def test_a_narrow_page_does_not_scroll_sideways(report: Path, tmp_path: Path) -> None:
    wide = "document.body.dataset.wide = String(document.documentElement.scrollWidth - innerWidth);"
    script = f"<script>setTimeout(() => {{ {wide} }}, 6000)</script>"
    before, _, after = report.read_text("utf-8").rpartition("</body>")
    before = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", before)
    probe = tmp_path / "probe.html"
    probe.write_text(f"{before}{script}</body>{after}", encoding="utf-8")
    text, _ = browse(probe, tmp_path / "profile", "--dump-dom", "--window-size=500,900")
    found = re.search(r'data-wide="(-?\d+)"', text)
    assert found is not None
    assert int(found[1]) <= 0
