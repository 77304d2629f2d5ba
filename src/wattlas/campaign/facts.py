"""What planning needs to know of a dataset: its widths, rows and loss."""

from wattlas.campaign.spec import DatasetTable, SweepSpec
from wattlas.engines.base import TrainingData
from wattlas.engines.data import data_task, load_training_data
from wattlas.networks.tasks import Task


def load_data(table: DatasetTable, test_fraction: float) -> TrainingData:
    """The encoded, split data of one `[[datasets]]` table; the split's seed is always 0.

    Raises:
        DataError: the data cannot be read, or do not arrive with an installed package.
    """
    return load_training_data(_source(table), test_fraction=test_fraction)


def _source(table: DatasetTable) -> str | dict[str, str | None]:
    if table.path is None:
        return table.name
    return {"name": table.name, "path": table.path, "target": table.target, "loss": table.loss}


def dataset_facts(spec: SweepSpec) -> dict[str, Task]:
    """Facts of every dataset of the spec, by name.

    Known names are planned without their data; a file is read.

    Raises:
        DataError: a file cannot be read as a table.
    """
    return {table.name: data_task(_source(table)) for table in spec.datasets}


def task_of(data: TrainingData) -> Task:
    """The facts of loaded data."""
    return Task(
        name=data.name,
        n_observations=data.n_observations,
        n_inputs=data.n_inputs,
        n_outputs=data.n_outputs,
        loss=data.loss,
    )
