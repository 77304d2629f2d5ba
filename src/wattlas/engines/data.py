"""Training data by name or file: what arrives with scikit-learn, copies of PMLB, and the user's own tables.

Nothing is ever downloaded here.
"""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np

from wattlas.core.errors import DataError, UnknownNameError
from wattlas.engines.base import Loss, TrainingData
from wattlas.engines.encoding import Column, Matrix, encode_image, encode_inputs, encode_target
from wattlas.networks.tasks import PAPER_TASKS, Task

# Where PMLB's files lie, as <name>/<name>.tsv.gz: a checkout's `datasets`, or a cache that `pmlb` filled.
PMLB_DIRECTORY = "WATTLAS_PMLB_DIR"
# Facts of what scikit-learn ships, so that they can be planned without loading them.
BUNDLED_TASKS = {
    task.name: task
    for task in (
        Task("breast_cancer", 569, 30, 1, "binary_crossentropy"),
        Task("diabetes", 442, 10, 1, "mean_squared_error"),
        Task("digits", 1797, 64, 10, "categorical_crossentropy", image=True),
        Task("iris", 150, 4, 3, "categorical_crossentropy"),
        Task("wine", 178, 13, 3, "categorical_crossentropy"),
    )
}


@dataclass(frozen=True)
class DataSource:
    """A table of the user's: CSV, TSV (gzipped or not) or Parquet, one row a datum.

    Attributes:
        name: what records call it.
        path: of the file.
        target: column to predict; every other column is a feature.
        loss: None lets the target's values decide, see `encoding.encode_target`.
        image: features are pixels: scaled together, none dropped or made one-hot.
    """

    name: str
    path: str | Path
    target: str = "target"
    loss: Loss | None = None
    image: bool = False

    def __post_init__(self) -> None:
        if self.loss is not None and self.loss not in get_args(Loss):
            raise UnknownNameError("loss", self.loss, get_args(Loss))


def data_names() -> tuple[str, ...]:
    """Names whose data are on this machine: scikit-learn's, and the paper's that `WATTLAS_PMLB_DIR` holds."""
    held = [name for name in PAPER_TASKS if (path := _pmlb_path(name)) is not None and path.is_file()]
    return tuple(sorted({*BUNDLED_TASKS, *held}))


def data_task(source: str | DataSource | Mapping[str, Any]) -> Task:
    """Rows, inputs, outputs and loss of a source, for planning; a file is read, a known name is not.

    Raises:
        UnknownNameError, DataError: as `load_training_data`.
    """
    if isinstance(source, str) and (task := {**PAPER_TASKS, **BUNDLED_TASKS}.get(source)) is not None:
        return task
    x, y, loss, name = _encoded(source)
    image = not isinstance(source, str) and _source(source).image
    return Task(name, len(x), x.shape[1], y.shape[1], loss, image=image)


def load_training_data(
    source: str | DataSource | Mapping[str, Any], *, test_fraction: float = 0.2, seed: int = 0
) -> TrainingData:
    """Encode a source and split it.

    `seed` is of the split, not of a run: all runs of an experiment see the same test rows. The test split has
    the fraction of the rows, rounded up.

    Raises:
        UnknownNameError: no such name.
        DataError: not on this machine, not readable, or with values that cannot be trained on.
    """
    x, y, loss, name = _encoded(source)
    n_test = Task(name, len(x), x.shape[1], y.shape[1], loss).n_test(test_fraction)
    if n_test >= len(x):
        raise DataError(f"{name!r} has {len(x)} rows, none left to train on after the split; give more rows")
    order = np.random.default_rng(seed).permutation(len(x))
    test, train = order[:n_test], order[n_test:]
    arrays = x[train], y[train], x[test], y[test]
    digest = hashlib.sha256(loss.encode())
    for array in arrays:
        digest.update(repr(array.shape).encode())
        digest.update(np.ascontiguousarray(array).data)
    return TrainingData(name, loss, *arrays, fingerprint=digest.hexdigest()[:20])


def _encoded(source: str | DataSource | Mapping[str, Any]) -> tuple[Matrix, Matrix, Loss, str]:
    if not isinstance(source, str):
        table = _source(source)
        return (*_table(table), table.name)
    if source in BUNDLED_TASKS:
        return (*_bundled(source), source)
    if source not in PAPER_TASKS:
        raise UnknownNameError("dataset", source, {*BUNDLED_TASKS, *PAPER_TASKS})
    path = _pmlb_path(source)
    if path is None or not path.is_file():
        where = f"{path} does not exist" if path else f"{PMLB_DIRECTORY} is not set"
        raise DataError(
            f"the files of PMLB's {source!r} are not here ({where}); pip install pmlb, run "
            f"`pmlb.fetch_data({source!r}, local_cache_dir=DIR)` once, and set {PMLB_DIRECTORY}=DIR"
        )
    task = PAPER_TASKS[source]
    return (*_table(DataSource(source, path, loss=task.loss, image=task.image)), source)


def _source(source: DataSource | Mapping[str, Any]) -> DataSource:
    if isinstance(source, DataSource):
        return source
    known = DataSource.__dataclass_fields__
    for key in source:
        if key not in known:
            raise UnknownNameError("key of a dataset", key, known)
    missing = [key for key in ("name", "path") if not source.get(key)]
    if missing:
        raise DataError(f"a dataset from a file needs {' and '.join(missing)}; give both name and path")
    return DataSource(**{key: value for key, value in source.items() if value is not None})


def _pmlb_path(name: str) -> Path | None:
    directory = os.environ.get(PMLB_DIRECTORY)
    return Path(directory) / name / f"{name}.tsv.gz" if directory else None


def _bundled(name: str) -> tuple[Matrix, Matrix, Loss]:
    try:
        from sklearn import datasets
    except ModuleNotFoundError as error:
        raise DataError(f"{name!r} arrives with scikit-learn; pip install 'wattlas[train]'") from error
    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    task = BUNDLED_TASKS[name]
    columns = [Column(f"{name}[{index}]", x[:, index].astype(np.float64)) for index in range(x.shape[1])]
    inputs = encode_image(x) if task.image else encode_inputs(columns)
    return (inputs, *encode_target(Column("target", y.astype(np.float64)), task.loss))


def _table(source: DataSource) -> tuple[Matrix, Matrix, Loss]:
    import polars as pl

    path = Path(source.path)
    if not path.is_file():
        raise DataError(
            f"dataset {source.name!r}: no file {path}; give the path of a CSV, TSV or Parquet file"
        )
    try:
        if path.suffix in (".parquet", ".pq"):
            frame = pl.read_parquet(path)
        else:
            separator = "\t" if ".tsv" in path.suffixes else ","
            frame = pl.read_csv(path, separator=separator, infer_schema_length=None)
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{path} cannot be read as a table: {reason}; give CSV, TSV or Parquet") from error
    if source.target not in frame.columns:
        raise DataError(f"{path} has no column {source.target!r}; its columns are {', '.join(frame.columns)}")
    if frame.height < 2:
        raise DataError(f"{path} has {frame.height} rows; at least 2 are needed")
    columns = {name: _column(frame[name], path) for name in frame.columns}
    target = columns.pop(source.target)
    if not columns:
        raise DataError(f"{path} has no column beside the target {source.target!r}; features are needed")
    if source.image:
        texts = [column.name for column in columns.values() if column.is_text]
        if texts:
            raise DataError(f"{path}: column {texts[0]!r} is text, not pixels; drop `image` or the column")
        inputs = encode_image(np.stack([column.values for column in columns.values()], axis=1))
    else:
        inputs = encode_inputs(list(columns.values()))
    return (inputs, *encode_target(target, source.loss))


def _column(series: Any, path: Path) -> Column:
    import polars as pl

    nulls = series.is_null()
    if nulls.any():
        raise DataError(
            f"{path}: column {series.name!r} has {nulls.sum()} missing values, the first in row "
            f"{nulls.arg_max()}; fill them in or leave the rows or the column out"
        )
    if series.dtype.is_numeric() or series.dtype == pl.Boolean:
        return Column(series.name, series.cast(pl.Float64).to_numpy())
    if series.dtype in (pl.String, pl.Categorical, pl.Enum):
        return Column(series.name, np.array(series.cast(pl.String).to_list(), dtype=np.str_))
    raise DataError(
        f"{path}: column {series.name!r} is {series.dtype}, neither numbers nor text; leave it out"
    )
