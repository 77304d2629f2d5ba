"""From a dataset to a release: the tables without anything private, and what describes them."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from wattlas.core.errors import StoreError
from wattlas.dataset.butter_e.export import butter_e_runs
from wattlas.dataset.croissant import croissant
from wattlas.dataset.datasheet import datasheet, describe
from wattlas.dataset.directory import check_dest, whole_directory, write_table
from wattlas.dataset.private import last_line, rename, replace_texts, scrub, text_columns
from wattlas.dataset.release import Release
from wattlas.dataset.rules.files import sha256
from wattlas.dataset.rules.subject import SUMS
from wattlas.dataset.validate import Verdict, validate

BUTTER_E_CSV = "runs_with_standardized_energy.csv"
# Words of the vocabulary and names of configurations: a host that is called like one does not change them.
_NEVER_A_HOST = frozenset(
    ("run_id", "experiment_id", "status", "dataset", "shape", "loss", "epsilon_convention", "engine")
) | {"source", "domain", "kind", "data_fingerprint"}


def publish(
    directory: Path, dest: Path, release: Release, *, anonymise_nodes: bool = False, force: bool = False
) -> Verdict:
    """Write a release of the dataset in `directory` to `dest`, complete or absent; its own verdict.

    Raises:
        StoreError: the dataset breaks a rule, `dest` is there and `force` is False, or it cannot be written.
    """
    dest = Path(dest)
    check_dest(dest, force)
    subject = _sound(directory).subject
    as_given = {**subject.frames, **subject.other_frames}
    hosts = _numbered_hosts(as_given) if anonymise_nodes else {}
    frames = _clean(as_given, hosts)
    given = {**subject.arrow, **subject.others}
    tables = {name: _as_arrow(frame, given[name].schema) for name, frame in frames.items()}
    schemas = {name: table.schema for name, table in tables.items()}
    about = {**subject.about, "release": {**release.as_json(), "anonymised_nodes": anonymise_nodes}}

    def without_names(text: str) -> str:
        return scrub(rename(hosts)(text) if hosts else text)

    with whole_directory(dest) as folder:
        for name, table in tables.items():
            write_table(table, folder / f"{name}.parquet")
        _write_json(about, folder / "dataset.json")
        if subject.imported:
            _write_json(_over_texts(without_names, subject.imported), folder / "import_report.json")
        butter_e_runs(frames["runs"], subject.machines).write_csv(folder / BUTTER_E_CSV)
        sheet = datasheet(release, schemas, frames, subject, anonymise_nodes)
        (folder / "README.md").write_text(sheet, "utf-8")
        _write_json(croissant(release, describe(release, frames), schemas, folder), folder / "croissant.json")
        sums = "".join(f"{sha256(path)}  {path.name}\n" for path in sorted(folder.iterdir()))
        (folder / SUMS).write_text(sums, "utf-8")
        _sound(folder)
    return validate(dest)


def _sound(directory: Path) -> Verdict:
    verdict = validate(directory)
    if not verdict.valid:
        names = ", ".join(check.rule.name for check in verdict.errors)
        raise StoreError(
            f"{directory} breaks the rule{'s' * (len(verdict.errors) > 1)} {names}, and only a valid dataset "
            "is published; see 'wattlas dataset validate'"
        )
    return verdict


def _clean(frames: Mapping[str, pl.DataFrame], hosts: Mapping[str, str]) -> dict[str, pl.DataFrame]:
    """The tables without hosts' own names, if they are to be replaced, and without anything private."""
    cleaned = {name: _without_hosts(frame, hosts) if hosts else frame for name, frame in frames.items()}
    if "error" in cleaned["runs"].columns:
        cleaned["runs"] = replace_texts(cleaned["runs"], ["error"], last_line, only_suspects=False)
    return {name: replace_texts(frame, text_columns(frame), scrub) for name, frame in cleaned.items()}


def _numbered_hosts(frames: Mapping[str, pl.DataFrame]) -> dict[str, str]:
    hosts = pl.concat([frame["node"] for frame in frames.values() if "node" in frame.columns])
    return {host: f"node-{i}" for i, host in enumerate(hosts.drop_nulls().unique().sort(), 1)}


def _without_hosts(frame: pl.DataFrame, hosts: Mapping[str, str]) -> pl.DataFrame:
    columns = [column for column in text_columns(frame) if column not in {*_NEVER_A_HOST, "node"}]
    frame = replace_texts(frame, columns, rename(hosts), only_suspects=False)
    return frame.with_columns(pl.col("node").replace(hosts)) if "node" in frame.columns else frame


def _as_arrow(frame: pl.DataFrame, schema: pa.Schema) -> pa.Table:
    return frame.select(schema.names).to_arrow().cast(schema)


def _write_json(document: Any, path: Path) -> None:
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", "utf-8")


def _over_texts(function: Callable[[str], str], value: Any) -> Any:
    """A JSON value with a function applied to every text in it, keys included."""
    if isinstance(value, Mapping):
        return {function(key): _over_texts(function, item) for key, item in value.items()}
    if isinstance(value, list):
        return [_over_texts(function, item) for item in value]
    return function(value) if isinstance(value, str) else value
