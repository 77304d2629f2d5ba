"""Choose the runs that tell most about a machine, for `transfer.calibrate`."""

from typing import Literal, get_args

import numpy as np
import polars as pl

from wattlas.core.errors import UsageError
from wattlas.hardware.machine import Machine
from wattlas.model.d_optimal import d_optimal
from wattlas.model.features import features
from wattlas.model.law import columns, evaluate_law
from wattlas.model.machine_model import MachineModel
from wattlas.model.representative import representative
from wattlas.model.transfer import transfer_law, transfer_prior

Criterion = Literal["prediction", "d-optimal"]
CRITERIA: tuple[str, ...] = get_args(Criterion)
DRAWS = {"prediction": 4, "d-optimal": 8}
# How unlike the known machine the new one may be: standard deviation of log costs.
UNLIKE = 1.0
# Of more candidates, so many are looked at: a sweep has many networks beside each other.
MOST_CANDIDATES = 4000


def design_experiment(
    source: MachineModel,
    candidates: pl.DataFrame,
    machine: Machine | None,
    n: int,
    criterion: Criterion = "prediction",
    seed: int = 0,
) -> pl.DataFrame:
    """The `n` most informative of checked `candidates` to run on `machine`, most informative first.

    Without a machine, on the one of `source` once more.

    By `prediction` those after which all candidates are known best (`representative`); by `d-optimal` those
    after which the coefficients are, if the law is right (`d_optimal`). Adds `predicted_energy_per_datum_j`,
    J, as `source` predicts it.

    Raises:
        UsageError: more runs asked for than there are candidates, or none.
    """
    if not 0 < n <= candidates.height:
        raise UsageError(
            f"{n} runs of {candidates.height} candidates asked for; ask for 1 to {candidates.height}"
        )
    random = np.random.default_rng(seed)
    rows = np.arange(candidates.height)
    if candidates.height > MOST_CANDIDATES:
        rows = np.sort(random.choice(rows, max(MOST_CANDIDATES, n), replace=False))
    f = features(candidates).take(rows)
    energy = source.predict(f).energy_j
    law = source.law if machine is None else transfer_law(source, machine, f)
    prior = transfer_prior(source, law, f, np.log(energy), UNLIKE)
    c = columns(law, f)
    slopes = []
    for z in random.normal(size=(DRAWS[criterion], len(law.free))):
        each, gradient = evaluate_law(law, prior.mean + prior.sd * z, c)
        slopes.append(gradient / each[:, None])
    if criterion == "d-optimal":
        chosen = d_optimal(np.array(slopes) / source.log_sd, np.diag(prior.sd**-2.0), n)
    else:
        chosen = representative(np.array(slopes) * prior.sd, f, source.log_sd, n, seed)
    return candidates[rows[chosen]].with_columns(
        pl.Series("predicted_energy_per_datum_j", energy[chosen]),
    )
