"""Every rule: kept by a whole dataset, and broken by one altered value, alone."""

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wattlas.core.errors import StoreError
from wattlas.dataset.rules import RULES
from wattlas.dataset.rules.subject import Subject, load_subject
from wattlas.dataset.schema import TABLES
from wattlas.dataset.validate import Verdict, validate

from .whole_dataset import FAILED, Frames, append, whole_tables, with_value, write

Alteration = Callable[[Frames], None]


@pytest.fixture(scope="module")
def tables() -> Frames:
    return whole_tables()


def broken(verdict: Verdict) -> set[str]:
    return {check.rule.name for check in verdict.checks if check.is_broken}


def put(table: str, row: int, **values: Any) -> Alteration:
    """Replace values of one row, given or computed from the row."""

    def alter(tables: Frames) -> None:
        old = tables[table].row(row, named=True)
        new = {name: value(old) if callable(value) else value for name, value in values.items()}
        tables[table] = with_value(tables[table], row, **new)

    return alter


def add(table: str, row: int, **values: Any) -> Alteration:
    """Append a copy of a row with other values."""

    def alter(tables: Frames) -> None:
        tables[table] = append(tables[table], tables[table].row(row, named=True) | values)

    return alter


def all_of(*alterations: Alteration) -> Alteration:
    def alter(tables: Frames) -> None:
        for alteration in alterations:
            alteration(tables)

    return alter


def times(column: str, factor: float) -> dict[str, Any]:
    return {column: lambda row: row[column] * factor}


def plus(column: str, amount: Any) -> dict[str, Any]:
    return {column: lambda row: row[column] + amount}


PACKAGE, CORE = 0, 1
NO_ENERGIES = {
    field.name: None
    for field in TABLES["experiments"]
    if field.name.startswith(("n_runs", "n_diverged", "energy", "u_", "duration", "mean_power"))
    or field.name.endswith("_loss")
}
HOT = all_of(
    add("nodes", 0, date=None, idle_power_w=80.0),
    put("runs", 0, idle_energy_j=lambda run: 80.0 * run["duration_s"]),
)
NO_UNCERTAINTY = all_of(
    put("runs", 0, u_energy_j=None),
    put("runs", 1, u_energy_j=None),
    put("experiments", 0, u_energy_j=None, u_energy_per_datum_j=None),
)
# rule, what breaks it, and the first id that is told.
CASES: list[tuple[str, Alteration, str | None]] = [
    ("source", put("epochs", 0, source="guessed"), None),
    ("status", put("runs", -1, status="paused"), FAILED),
    ("kind", put("power", 0, kind="dial"), None),
    ("run-id", put("runs", -1, run_id=lambda run: None), "null"),
    ("experiment-id", add("experiments", 0), None),
    ("epoch", put("epochs", 2, epoch=1), None),
    ("channel", add("channels", CORE), None),
    ("epochs-of-runs", put("epochs", 2, run_id="nobody"), "nobody"),
    ("channels-of-runs", add("channels", PACKAGE, run_id="nobody"), "nobody"),
    ("power-of-runs", put("power", 2, run_id="nobody"), "nobody"),
    (
        "runs-of-experiments",
        add("runs", -1, run_id="new", experiment_id="nobody", status="diverged"),
        "nobody",
    ),
    ("experiments-with-runs", add("experiments", 0, experiment_id="nobody", **NO_ENERGIES), "nobody"),
    ("nodes-of-runs", put("runs", -1, node="elsewhere"), "elsewhere"),
    ("window", put("runs", -1, start_s=1.0, end_s=1.0), FAILED),
    ("duration", put("runs", 0, **plus("end_utc", timedelta(seconds=1))), None),
    ("epochs-in-window", put("epochs", 3, **plus("end_s", 1e6)), None),
    ("epochs-in-window", put("epochs", 1, **plus("end_s", -1e6)), None),
    ("epoch-energy", put("epochs", 1, energy_j=lambda epoch: epoch["energy_j"] * 2.5), None),
    ("epoch-energy", put("epochs", 3, **times("energy_j", 1.001)), None),
    ("energy", put("channels", CORE, energy_j=-1e-9), None),
    ("energy", put("runs", 0, compile_energy_j=float("nan")), None),
    ("energy", put("runs", 0, compile_energy_j=float("inf")), None),
    ("uncertainty", put("channels", CORE, u_energy_j=0.0), None),
    ("uncertainty", put("epochs", 2, u_energy_j=-0.1), None),
    ("uncertainty", put("nodes", 0, u_idle_power_w=float("nan")), None),
    ("known-uncertainty", NO_UNCERTAINTY, None),
    ("settled-energy", put("runs", -1, duration_s=1.0), FAILED),
    ("idle-energy", put("runs", 0, **times("idle_energy_j", 1.01)), None),
    ("dynamic-energy", HOT, None),
    ("run-channels", put("channels", PACKAGE, **times("energy_j", 1.001)), None),
    ("contained-channels", put("channels", CORE, **times("energy_j", 1.6)), None),
    ("contained-channels", put("channels", CORE, contained_in="fake:psys"), None),
    ("machine", put("nodes", 0, machine_json="{"), None),
    ("machine", put("nodes", 0, machine_json=lambda n: n["machine_json"].replace('"bench"', '"desk"')), None),
    ("mean-power", put("nodes", 0, machine_json=lambda n: n["machine_json"].replace("80.0", "30.0")), None),
    ("samples", put("power", 1, **plus("after_s", -0.2)), None),
    ("samples", put("power", 1, kind="gauge", value=-1.0), None),
    ("n-parameters", put("runs", 0, **plus("n_parameters", 1)), None),
    ("n-parameters", put("experiments", 0, **plus("n_outputs", 1)), None),
    ("n-parameters", put("runs", 0, **plus("depth", 1)), None),
    ("working-sets", put("experiments", 0, **plus("ws_f_bytes", 4.0)), None),
    ("working-sets", put("experiments", 0, ws_d_bytes=None), None),
    ("flops", put("experiments", 0, **plus("backward_flops", 1.0)), None),
    ("configuration", put("runs", 0, **times("learning_rate", 2.0)), None),
    ("groups", add("runs", -1, run_id="new", status="diverged", domain="psys"), None),
    *(
        ("medians", put("experiments", 0, **times(column, 1.0001)), None)
        for column in ("energy_j", "energy_q25_j", "energy_q75_j", "u_energy_j", "duration_s", "mean_power_w")
    ),
    *(
        ("medians", put("experiments", 0, **{column: None}), None)
        for column in ("energy_per_datum_j", "u_energy_per_datum_j", "final_test_loss", "best_test_loss")
    ),
    ("medians", put("experiments", 0, **plus("n_runs", 1)), None),
    ("medians", put("experiments", 0, **plus("n_diverged", 1)), None),
]
# Broken by files and metadata, not by a value; the release's own are in test_publish.py.
ELSEWHERE = {
    "readable",
    "checksums",
    "listed-files",
    "private",
    "schema-version",
    "columns",
    "types",
    "units",
}


def test_a_whole_dataset_keeps_every_rule_and_gives_almost_each_something_to_check(
    tables: Frames, tmp_path: Path
) -> None:
    verdict = validate(write(tables, tmp_path))
    assert verdict.valid
    assert broken(verdict) == set()
    idle = {check.rule.name for check in verdict.checks if check.finding.checked == 0}
    assert idle == {"checksums", "listed-files", "private"}


@pytest.mark.parametrize(("rule", "alter", "example"), CASES, ids=[case[0] for case in CASES])
def test_one_altered_value_breaks_one_rule(
    rule: str, alter: Alteration, example: str | None, tables: Frames, tmp_path: Path
) -> None:
    altered = dict(tables)
    alter(altered)
    verdict = validate(write(altered, tmp_path))
    assert broken(verdict) == {rule}
    (check,) = (check for check in verdict.checks if check.is_broken)
    assert check.finding.examples
    assert verdict.valid == (check.rule.severity == "warning")
    if example is not None:
        assert check.finding.examples[0] == example


def test_every_rule_has_a_test() -> None:
    assert {case[0] for case in CASES} | ELSEWHERE == {rule.name for rule in RULES}


def test_every_broken_rule_is_told_with_its_rows(tables: Frames, tmp_path: Path) -> None:
    altered = dict(tables)
    put("epochs", 0, source="guessed")(altered)
    ids = altered["runs"]["run_id"][:4].to_list()
    altered["runs"] = altered["runs"].with_columns(learning_rate=pl.col("learning_rate") * 2)
    verdict = validate(write(altered, tmp_path))
    assert broken(verdict) == {"source", "configuration"}
    found = {check.rule.name: check.finding for check in verdict.checks}
    assert found["configuration"].broken == altered["runs"].height
    assert list(found["configuration"].examples[:4]) == ids
    assert found["source"].broken == 1


def test_a_run_below_its_nodes_idle_power_is_told(tables: Frames, tmp_path: Path) -> None:
    altered = dict(tables)
    altered["runs"] = altered["runs"].with_columns(idle_energy_j=pl.lit(None, pl.Float64))
    # 50 W and three times 2 % of it are 53 W: three quarters of 70.7 W.
    put("nodes", 0, idle_power_w=70.5)(altered)
    assert broken(validate(write(altered, tmp_path / "near"))) == set()
    put("nodes", 0, idle_power_w=70.9)(altered)
    assert broken(validate(write(altered, tmp_path / "below"))) == {"mean-power"}


def test_a_machine_of_the_catalogue_bounds_runs_without_a_nodes_table(tables: Frames, tmp_path: Path) -> None:
    altered = {name: f for name, f in tables.items() if name not in ("nodes", "channels")}
    for name in ("runs", "experiments"):
        changed = altered[name].with_columns(machine=pl.lit("eagle-cpu"), domain=pl.lit("node"))
        altered[name] = changed
    directory = tmp_path / "low"
    directory.mkdir()
    for name, frame in altered.items():
        pq.write_table(frame.to_arrow().cast(TABLES[name]), directory / f"{name}.parquet")
    # Nodes of eagle-cpu draw 220 W when idle; these runs drew 50 W.
    assert broken(validate(directory)) == {"mean-power"}


def rewrite(path: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    pq.write_table(change(pq.ParquetFile(path).read()), path)


def as_type(table: pa.Table, name: str, kind: pa.DataType) -> pa.Table:
    i = table.schema.get_field_index(name)
    return table.cast(table.schema.set(i, table.schema.field(i).with_type(kind)))


def field_with(table: pa.Table, name: str, **metadata: str) -> pa.Table:
    i = table.schema.get_field_index(name)
    return table.cast(table.schema.set(i, table.schema.field(i).with_metadata(metadata)))


@pytest.mark.parametrize(
    ("rule", "change", "example"),
    [
        ("columns", lambda t: t.drop_columns(["seed"]), "runs.seed"),
        ("types", lambda t: as_type(t, "seed", pa.int32()), "runs.seed"),
        ("schema-version", lambda t: t.replace_schema_metadata({"wattlas.schema_version": "0"}), "runs"),
        ("schema-version", lambda t: t.replace_schema_metadata(None), "runs"),
        ("units", lambda t: field_with(t, "duration_s", unit="ms", meaning="length"), "runs.duration_s"),
        ("units", lambda t: field_with(t, "seed", unit="1"), "runs.seed"),
        ("units", lambda t: t.append_column("mine", pa.nulls(t.num_rows)), "runs.mine"),
    ],
)
def test_an_altered_schema_breaks_one_rule(
    rule: str, change: Callable[[pa.Table], pa.Table], example: str, tables: Frames, tmp_path: Path
) -> None:
    rewrite(write(tables, tmp_path) / "runs.parquet", change)
    verdict = validate(tmp_path)
    assert broken(verdict) == {rule}
    (check,) = verdict.errors
    assert check.finding.examples == (example,)


def test_a_column_of_another_type_is_told_and_stops_no_other_rule(tables: Frames, tmp_path: Path) -> None:
    altered = dict(tables)
    put("epochs", 0, source="guessed")(altered)
    directory = write(altered, tmp_path)
    rewrite(directory / "runs.parquet", lambda t: as_type(t, "energy_j", pa.string()))
    assert broken(validate(directory)) == {"types", "source"}


def test_a_column_of_ours_with_a_meaning_is_welcome(tables: Frames, tmp_path: Path) -> None:
    field = pa.field("mine", pa.float64(), metadata={"meaning": "what I found", "unit": "K"})
    rewrite(
        write(tables, tmp_path) / "runs.parquet",
        lambda t: t.append_column(field, pa.nulls(t.num_rows, pa.float64())),
    )
    assert broken(validate(tmp_path)) == set()


@pytest.mark.parametrize("content", [b"", b"PAR1", b"not a table at all", None])
def test_a_damaged_file_is_one_rule_and_the_rest_is_checked(
    content: bytes | None, tables: Frames, tmp_path: Path
) -> None:
    altered = dict(tables)
    put("epochs", 0, source="guessed")(altered)
    path = write(altered, tmp_path) / "channels.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if content is None else content)
    verdict = validate(tmp_path)
    assert broken(verdict) == {"readable", "source"}
    assert verdict.errors[0].finding.examples == ("channels.parquet",)


def test_what_is_no_dataset_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"has no runs\.parquet; give a directory"):
        validate(tmp_path)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_damage_of_any_file_is_an_unexpected_error(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A flipped byte gives a verdict, whatever that is: never another exception."""
    directory = tmp_path_factory.getbasetemp() / "damaged"
    if not directory.exists():
        write(whole_tables(), directory)
    path = directory / f"{data.draw(st.sampled_from(sorted(TABLES)))}.parquet"
    whole = path.read_bytes()
    position = data.draw(st.integers(0, len(whole) - 1))
    flipped = whole[position] ^ data.draw(st.integers(1, 255))
    path.write_bytes(whole[:position] + bytes([flipped]) + whole[position + 1 :])
    try:
        verdict = validate(directory)
    finally:
        path.write_bytes(whole)
    assert isinstance(verdict.valid, bool)


def test_the_documentation_lists_the_rules_as_they_are() -> None:
    page = (Path(__file__).parents[3] / "docs" / "datasets.md").read_text("utf-8")
    listed = re.findall(r"^\| `([a-z-]+)` \| (error|warning) \| (.+) \|$", page, re.MULTILINE)
    assert listed == [(rule.name, rule.severity, rule.promise) for rule in RULES]


def test_a_missing_column_is_told_and_stops_no_other_rule(tables: Frames, tmp_path: Path) -> None:
    subject = load_subject(write(tables, tmp_path))
    for table, schema in TABLES.items():
        for column in schema.names:
            without = dict(subject.arrow) | {table: subject.arrow[table].drop_columns([column])}
            lacking = Subject(tmp_path, without, (), {})
            found = {rule.name: rule.apply(lacking) for rule in RULES}
            assert found["columns"].examples == (f"{table}.{column}",)
            assert {name for name, finding in found.items() if finding.broken} == {"columns"}
