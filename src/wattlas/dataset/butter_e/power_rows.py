"""Every power sample of the release in arrays: all files in one buffer, parsed once."""

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from wattlas.core.errors import DataError
from wattlas.dataset.butter_e.files import PowerFile, power_files, read_power

COLUMNS = ("timestamp", "node", "watts")
_HEADER = ",".join(COLUMNS).encode()
_BOM = b"\xef\xbb\xbf"
# A line of a power file has about 35 bytes.
_LONGEST_LINE_BYTES = 512
_REPORTED = 20


@dataclass(frozen=True)
class PowerRows:
    """The samples in the order of the files, n in all, of m files.

    Attributes:
        local_s: [n] seconds since 1970 on the wall clock of the nodes, as if that were UTC.
        power_w: [n].
        node: [n] index into `nodes`.
        first: [m + 1] row at which each file begins; the last is n.
        nodes: names.
        files: the m files; an unreadable one has no rows.
        unreadable: why, by job.
        malformed: [k] index of the file of each row that could not be read and is left out.
        remarks: file, line and reason of the first of them.
    """

    local_s: NDArray[np.int64]
    power_w: NDArray[np.float64]
    node: NDArray[np.int32]
    first: NDArray[np.int64]
    nodes: list[str]
    files: list[PowerFile]
    unreadable: dict[str, str]
    malformed: NDArray[np.int64]
    remarks: list[str] = field(default_factory=list)


def read_power_rows(source: Path) -> PowerRows:
    """Read the power files of a release.

    A file that is no such table, or a line that is no sample, is left out and named.

    Raises:
        DataError: not one file can be read.
        StoreError: there are none.
    """
    files = power_files(source)
    buffer, rows, unreadable = _one_buffer(files)
    if len(unreadable) == len(files):
        job, reason = next(iter(unreadable.items()))
        raise DataError(
            f"none of the {len(files)} power files can be read; the first, {files[0].label} of job {job}: "
            f"{reason}; download them again"
        )
    frame = _parse(buffer)
    del buffer
    if frame.height != rows.sum():
        raise DataError(
            f"the power files have {rows.sum()} lines and {frame.height} were read; look for a line in them "
            f"that starts with '{COLUMNS[0]}' and is no header"
        )
    time, node, power = frame.get_columns()
    bad = (time.is_null() | node.is_null() | power.is_null()).to_numpy()
    first = np.concatenate(([0], np.cumsum(rows)))
    malformed, remarks = np.zeros(0, dtype=np.int64), []
    if bad.any():
        time = _other_forms(frame, time)
        bad = (time.is_null() | node.is_null() | power.is_null()).to_numpy()
        blank = (frame[COLUMNS[0]].is_null() & node.is_null() & power.is_null()).to_numpy()
        at = np.flatnonzero(bad & ~blank)
        malformed = np.searchsorted(first, at, side="right") - 1
        remarks = [
            f"{files[f].label}, line {i - first[f] + 2}: {_shown(frame.row(int(i)))} is no sample"
            for i, f in zip(at[:_REPORTED], malformed[:_REPORTED], strict=True)
        ]
        keep = pl.Series(~bad)
        first = np.concatenate(([0], np.cumsum(~bad)))[first]
        time, node, power = time.filter(keep), node.filter(keep), power.filter(keep)
    distinct = node.unique().sort()
    ranks = np.zeros(len(distinct) and int(distinct.to_physical().to_numpy().max()) + 1, dtype=np.int32)
    ranks[distinct.to_physical().to_numpy()] = np.arange(len(distinct), dtype=np.int32)
    return PowerRows(
        local_s=time.to_physical().to_numpy() // 1_000_000,
        power_w=power.to_numpy(),
        node=ranks[node.to_physical().to_numpy()],
        first=first,
        nodes=distinct.cast(pl.String).to_list(),
        files=files,
        unreadable=unreadable,
        malformed=malformed,
        remarks=remarks,
    )


def _one_buffer(files: list[PowerFile]) -> tuple[memoryview, NDArray[np.int64], dict[str, str]]:
    """All files one after the other, the number of lines after the header of each, and what is unreadable."""
    space = np.empty(sum(f.n_bytes for f in files) + len(files), dtype=np.uint8)
    view, end = space.data, 0
    rows = np.zeros(len(files), dtype=np.int64)
    unreadable: dict[str, str] = {}
    for i, (file, content) in enumerate(zip(files, read_power(files), strict=True)):
        checked = content if isinstance(content, str) else _checked(content)
        if isinstance(checked, str):
            unreadable[file.job] = checked
            continue
        view[end : end + len(checked)] = checked
        end += len(checked)
        rows[i] = checked.count(b"\n") - 1
    return view[:end], rows, unreadable


def _checked(content: bytes) -> bytes | str:
    """A file with the header and the line ends that the parser expects, or why it is no power file."""
    if content.startswith(_BOM):
        content = content[len(_BOM) :]
    if b"\r" in content:
        content = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if not content:
        return "it is empty"
    if not content.endswith(b"\n"):
        content += b"\n"
    n_lines = content.count(b"\n")
    if len(content) > _LONGEST_LINE_BYTES * n_lines or len(content) < 2 * n_lines:
        line, size = max(enumerate(map(len, content.split(b"\n")), 1), key=lambda pair: pair[1])
        return f"line {line} has {size} bytes and the file {n_lines} lines; those are no samples"
    header = content[: content.index(b"\n")]
    if header == _HEADER:
        return content
    named = [name.strip().strip('"') for name in header.decode("utf-8", "replace").split(",")]
    if missing := [name for name in COLUMNS if name not in named]:
        return f"line 1 names no column {missing[0]!r}"
    try:
        frame = pl.read_csv(content, infer_schema=False, truncate_ragged_lines=True)
    except pl.exceptions.PolarsError as error:
        return f"it is no CSV ({str(error).splitlines()[0]})"
    frame.columns = named
    return frame.select(COLUMNS).write_csv().encode()


def _parse(buffer: memoryview) -> pl.DataFrame:
    options: dict[str, Any] = {
        "has_header": False,
        "new_columns": list(COLUMNS),
        "comment_prefix": COLUMNS[0],
        "quote_char": None,
    }
    moment = pl.col(COLUMNS[0]).str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us", strict=False)
    kinds = {COLUMNS[0]: pl.String, COLUMNS[1]: pl.Categorical, COLUMNS[2]: pl.Float64}
    try:
        lines = pl.scan_csv(io.BytesIO(buffer), schema=kinds, **options)
        frame = lines.select(moment, COLUMNS[1], COLUMNS[2]).collect(engine="streaming")
        if frame[COLUMNS[0]].null_count() == 0:
            return frame
    except pl.exceptions.PolarsError:
        # Some line is no sample: read all as text, and let the caller name it.
        pass
    text = pl.read_csv(
        io.BytesIO(buffer),
        schema=dict.fromkeys(COLUMNS, pl.String),
        truncate_ragged_lines=True,
        **options,
    )
    return text.with_columns(
        pl.col(COLUMNS[1]).cast(pl.Categorical), pl.col(COLUMNS[2]).cast(pl.Float64, strict=False)
    )


def _other_forms(frame: pl.DataFrame, time: pl.Series) -> pl.Series:
    """Times of the rows, forms of them that differ from the published one included."""
    if time.dtype != pl.String:
        return time
    plain = time.str.strip_chars().str.replace("T", " ", literal=True).str.strip_suffix("Z")
    return plain.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", strict=False)


def _shown(row: tuple[object, ...]) -> str:
    return repr(",".join("" if value is None else str(value) for value in row))[:80]
