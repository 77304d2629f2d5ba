"""The page as HTML: whole, offline, labelled, and safe from what stands in the data."""

import csv
import io
import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import polars as pl
import pytest

from wattlas.core.errors import DataError
from wattlas.report import ReportData, figure_names, load_figure, load_report_data
from wattlas.report.page import render
from wattlas.testing.tables import make_tables, write_tables

VOID = {"meta", "link", "input", "br", "hr", "img"}


class Page(HTMLParser):
    """The elements of a page with their text; fails where tags do not match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.json: dict[str, object] = {}
        self._script = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {k: v or "" for k, v in attrs}))
        self._script = self.elements[-1][1].get("id", "") if tag == "script" else ""
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] == ["script"]:
            if self._script.startswith("spec-"):
                self.json[self._script] = json.loads(data)
        elif self.open[-1:] != ["style"]:
            self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def html(data: ReportData) -> str:
    return render(data)


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def test_it_is_small(html: str) -> None:
    assert len(html.encode()) < 8e6


def test_nothing_is_fetched(page: Page, html: str) -> None:
    policy = next(m["content"] for m in page.all("meta") if "Policy" in m.get("http-equiv", ""))
    assert policy.startswith("default-src 'none'")
    assert "http" not in policy
    for tag, attributes in page.elements:
        assert "src" not in attributes, tag
        assert "srcset" not in attributes
        if "href" in attributes:
            assert attributes["href"].startswith(("#", "data:")), attributes
    styles = html.split("<style>")[1].split("</style>")[0]
    assert "url(" not in styles
    assert "@import" not in styles


def test_it_is_valid_where_browsers_forgive(page: Page) -> None:
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in page.elements:
        for name in ("aria-labelledby", "aria-describedby"):
            assert set(attributes.get(name, "").split()) <= set(ids)
        if attributes.get("href", "").startswith("#"):
            assert attributes["href"][1:] in ids
    assert page.all("html") == [{"lang": "en"}]
    assert len(page.all("h1")) == 1
    assert len(page.all("main")) == 1


@pytest.mark.parametrize("name", figure_names())
def test_every_figure_has_a_sentence_units_and_its_data(page: Page, data: ReportData, name: str) -> None:
    figure = load_figure(name)
    table = figure.compute(data)
    assert figure.title in page.text
    if name == "paper-trend":
        assert figure.missing in page.text
        return
    assert figure.describe(table, data) in page.text
    link = next(a for a in page.all("a") if a.get("download") == f"{name}.csv")
    kind, _, content = link["href"].partition(",")
    assert kind == "data:text/csv;charset=utf-8"
    rows = list(csv.reader(io.StringIO(unquote(content))))
    assert rows[0] == table.columns
    assert len(rows) == table.height + 1
    assert link["aria-label"].startswith("Download the data of")
    content = page.json[f"spec-{name}"]
    assert isinstance(content, dict)
    assert set(content) == {"light", "dark", "parse"}
    assert any(d["name"] == "table" for d in content["light"]["data"])


def test_measured_energies_are_labelled_so(page: Page) -> None:
    assert "Energies are measured." in page.text
    assert "energies here are" not in page.text


def test_modelled_energies_are_labelled_everywhere(mixed_data: ReportData) -> None:
    text = render(mixed_data)
    page = Page(text)
    assert "Some energies here are modelled" in page.text
    badges = [a for a in page.all("span") if a.get("class") == "badge modelled"]
    shown = [n for n in figure_names() if n not in ("drift", "paper-trend")]
    assert len(badges) >= 3 + len(shown)
    # Energies of two sources are two numbers, and their sum is nowhere.
    runs = mixed_data.tables.runs
    sums = runs.group_by("source").agg(pl.col("energy_j").sum()).sort("source")["energy_j"].to_list()
    assert text.count("<dt>Training energy, package-0 ") == 2
    for total in sums:
        assert f"<dd>{total:.4g} J</dd>" in text
    assert f"{sum(sums):.4g} J" not in text


def test_all_modelled(tmp_path: Path) -> None:
    tables = make_tables(
        datasets={"digits": (1797, 64, 10)}, log2_sizes=(8, 12), source="modelled", repetitions=1
    )
    page = Page(render(load_report_data(write_tables(tables, tmp_path / "modelled"))))
    assert "All energies here are modelled" in page.text
    assert not [a for a in page.all("span") if a.get("class") == "badge measured"]
    for name in figure_names():  # what is not there says why
        assert load_figure(name).title in page.text
    assert load_figure("drift").missing in page.text
    assert load_figure("model-error").missing in page.text


def test_names_in_the_data_are_text(tmp_path: Path) -> None:
    evil = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"',\n=1+1"
    tables = make_tables(
        datasets={evil: (178, 13, 3)}, shapes=("rectangle",), depths=(2,), machine=f"<b>{evil}"
    )
    page = Page(render(load_report_data(write_tables(tables, tmp_path / "<i>evil"))))
    assert page.all("img") == page.all("b") == page.all("i") == []
    assert len([a for a in page.all("script") if "type" not in a]) == 2
    assert evil.split("\n")[0] in page.text


def test_diverged_runs_and_flags_are_counted(data: ReportData) -> None:
    status = pl.Series("status", ["diverged", *["done"] * (data.tables.runs.height - 1)])
    flags = (
        pl.when(pl.int_range(pl.len()) < 3).then(pl.lit(["gap"])).otherwise(pl.col("flags")).alias("flags")
    )
    runs = data.tables.runs.with_columns(status, flags)
    text = render(replace(data, tables=replace(data.tables, runs=runs)))
    assert '<td>diverged</td><td class="n">1</td>' in text
    assert '<td>gap</td><td class="n">3</td>' in text


def test_a_dataset_without_energies_has_nothing_to_report(tmp_path: Path) -> None:
    tables = make_tables(
        datasets={"digits": (1797, 64, 10)}, shapes=("rectangle",), depths=(2,), log2_sizes=(8,)
    )
    tables["experiments"] = tables["experiments"].clear()
    with pytest.raises(DataError, match="has 2 runs, and none is done with an energy"):
        load_report_data(write_tables(tables, tmp_path / "empty"))
