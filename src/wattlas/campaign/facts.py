"""What planning needs to know of a dataset: its widths, rows and loss."""

from wattlas.campaign.spec import DatasetTable, SweepSpec
from wattlas.engines.base import TrainingData
from wattlas.engines.data import load_training_data
from wattlas.networks.tasks import PAPER_TASKS, Task


def load_data(table: DatasetTable, test_fraction: float) -> TrainingData:
    """The encoded, split data of one `[[datasets]]` table; the split's seed is always 0.

    Raises:
        DataError: the data cannot be read, or do not arrive with an installed package.
    """
    if table.path is None:
        return load_training_data(table.name, test_fraction=test_fraction)
    source = {"name": table.name, "path": table.path, "target": table.target, "loss": table.loss}
    return load_training_data(source, test_fraction=test_fraction)


def dataset_facts(spec: SweepSpec) -> dict[str, Task]:
    """Facts of every dataset of the spec, by name.

    The paper's datasets are known without their data, so that a sweep over them can be planned anywhere; any
    other is loaded.
    """
    facts = {}
    for table in spec.datasets:
        if table.path is None and table.name in PAPER_TASKS:
            facts[table.name] = PAPER_TASKS[table.name]
        else:
            facts[table.name] = task_of(load_data(table, spec.training.test_fraction))
    return facts


def task_of(data: TrainingData) -> Task:
    """The facts of loaded data."""
    return Task(
        name=data.name,
        n_observations=data.n_observations,
        n_inputs=data.n_inputs,
        n_outputs=data.n_outputs,
        loss=data.loss,
    )
