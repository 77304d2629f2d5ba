"""A small dataset that keeps every rule, with a failed run and samples of power in it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from wattlas.dataset.schema import TABLES
from wattlas.testing.tables import make_tables, write_tables

HOST = "bench17"
FAILED = "failed-run"
TRACEBACK = """Traceback (most recent call last):
  File "/home/eve/project/train.py", line 3, in <module>
    connect("redfish://eve:hunter2@bmc-3/redfish")
RuntimeError: /home/eve/project/data.csv of eve@example.org: password=hunter2 is refused by redfish://eve:hunter2@bmc-3
"""

Frames = dict[str, pl.DataFrame]


def whole_tables() -> Frames:
    """Runs of two experiments, done but for one that failed."""
    made = make_tables(
        datasets={"digits": (1797, 64, 10)}, shapes=("rectangle",), depths=(2, 3), log2_sizes=(8,), epochs=3
    )
    tables = {
        name: f.with_columns(node=pl.lit(HOST)) if "node" in f.columns else f for name, f in made.items()
    }
    done = tables["runs"].row(0, named=True)
    unknown = dict.fromkeys(n for n, kind in tables["runs"].schema.items() if kind == pl.Float64)
    configured = {name: done[name] for name in ("learning_rate", "epsilon")}
    times = dict.fromkeys(("start_utc", "end_utc"))
    failed = done | unknown | configured | times | {"run_id": FAILED, "status": "failed", "error": TRACEBACK}
    tables["runs"] = append(tables["runs"], failed)
    samples = [
        {"run_id": done["run_id"], "node": HOST, "channel": "fake:package-0", "before_s": float(i)}
        | {"after_s": i + 0.1, "device_s": None, "value": 50.0 * i, "kind": "counter", "source": "measured"}
        for i in range(3)
    ]
    tables["power"] = append(tables["power"], *samples)
    return tables


def append(frame: pl.DataFrame, *rows: Mapping[str, Any]) -> pl.DataFrame:
    """The frame with rows at its end."""
    return pl.concat([frame, pl.DataFrame([dict(row) for row in rows], schema=frame.schema)])


def with_value(frame: pl.DataFrame, row: int, **values: Any) -> pl.DataFrame:
    """The frame with some values of one row replaced."""
    rows = frame.to_dicts()
    rows[row] |= values
    return pl.DataFrame(rows, schema=frame.schema)


def write(tables: Frames, directory: Path) -> Path:
    """Write them as a dataset."""
    assert set(tables) == set(TABLES)
    return write_tables(tables, directory)
