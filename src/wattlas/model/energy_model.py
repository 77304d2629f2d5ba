"""The energy model: one law per machine, with scikit-learn's conventions."""

# ruff: noqa: N803  (scikit-learn calls features X)

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, Self, overload

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from wattlas.core.errors import DataError, ModelError, UsageError
from wattlas.hardware.machine import Machine
from wattlas.model.attribution import attribute
from wattlas.model.features import Features, Vector, features
from wattlas.model.machine_model import MachineModel, Prediction
from wattlas.model.points import (
    ENERGY,
    SOURCES,
    check_domains,
    check_points,
    check_sources,
    energies,
    resolve_machines,
)
from wattlas.model.train import fit_machine

PointsLike = pl.DataFrame | Mapping[str, Any]


class EnergyModel:
    """Energy per datum of training networks, J: fitted to points, asked about others.

    Points are a polars frame, or a mapping of columns, as `read_points` gives: a network on a machine each.
    Arguments are kept as they are and checked in `fit`; what is fitted ends in an underscore. Works with
    `sklearn.base.clone` and `cross_val_score`, and does not need scikit-learn.

    Arguments:
        name: what the model file calls it.
        machines: descriptions by name; others are looked up in the catalogue.
        allow: sources beside `measured` whose energies may be fitted: `modelled`, `simulated`.
        seed: of random starts and folds.

    Attributes:
        machines_: the fitted `MachineModel` of each machine.

    >>> EnergyModel(seed=1).get_params()["seed"]
    1
    """

    def __init__(
        self,
        *,
        name: str = "energy model",
        machines: Mapping[str, Machine] | None = None,
        allow: Sequence[str] = (),
        seed: int = 0,
    ) -> None:
        self.name = name
        self.machines = machines
        self.allow = allow
        self.seed = seed

    def fit(self, X: PointsLike, y: ArrayLike | None = None) -> Self:
        """Fit a law to each machine in the points; `y` are energies per datum, J, or else X has them.

        Raises:
            UsageError: an unknown machine, or energies of a source that was not asked for.
            DataError: points that cannot be used.
            ModelError: too few points of a machine.
        """
        points = _frame(X)
        if y is not None:
            values = np.asarray(y, dtype=np.float64)
            if values.shape != (points.height,):
                raise DataError(
                    f"{points.height} points and energies of shape {values.shape}; give one a point"
                )
            points = points.with_columns(pl.Series(ENERGY, values))
        points = check_points(points)
        if isinstance(self.allow, str) or not set(self.allow) <= set(SOURCES):
            raise UsageError(f"allow is {self.allow!r}; give some of {', '.join(SOURCES)} in a list")
        check_sources(points, self.allow)
        check_domains(points)
        energy = energies(points).to_numpy()
        known = resolve_machines(points, self.machines or {})
        names = points["machine"].to_numpy()
        self.machines_: dict[str, MachineModel] = {}
        for name in sorted(known):
            own = np.flatnonzero(names == name)
            self.machines_[name] = fit_machine(points[own], energy[own], known[name], self.seed)
        return self

    @overload
    def predict(self, X: PointsLike, return_std: Literal[False] = False) -> Vector: ...

    @overload
    def predict(self, X: PointsLike, return_std: Literal[True]) -> tuple[Vector, Vector]: ...

    def predict(
        self,
        X: PointsLike,
        return_std: bool = False,
    ) -> Vector | tuple[Vector, Vector]:
        """Energy per datum of each point, J; with `return_std`, its standard uncertainty too, J.

        Raises:
            UsageError: a machine that the model does not know.
            DataError: points without features.
            ModelError: the model is not fitted.
        """
        p = self.predict_interval(X)
        return (p.energy_j, p.energy_j * p.log_sd) if return_std else p.energy_j

    def predict_interval(self, X: PointsLike, coverage: float = 0.95) -> Prediction:
        """`predict` with an interval that holds `coverage` of energies, and what is extrapolated."""
        points = check_points(_frame(X))
        empty = (np.empty(points.height) for _ in range(5))
        extrapolated = np.zeros(points.height, dtype=np.bool_)
        energy, lower, upper, log_sd, seconds = empty
        result = Prediction(energy, lower, upper, extrapolated, log_sd, seconds)
        for rows, machine in self._by_machine(points):
            part = machine.predict(features(points[rows]), coverage)
            for name in (each.name for each in fields(Prediction)):
                getattr(result, name)[rows] = getattr(part, name)
        return result

    def attribute(self, X: PointsLike) -> pl.DataFrame:
        """Energy per datum of each point by cause, J: see `attribution`; a row sums to its prediction.

        Null: that machine has no such level.
        """
        return self._columns(X, attribute)

    def costs(self, X: PointsLike) -> pl.DataFrame:
        """Energy per datum of each point by coefficient, J; a row sums to its prediction.

        Null: that machine's law has no such coefficient.
        """
        return self._columns(X, MachineModel.costs)

    def _columns(
        self, X: PointsLike, split: Callable[[MachineModel, Features], Mapping[str, Vector]]
    ) -> pl.DataFrame:
        points = check_points(_frame(X))
        columns: dict[str, Vector] = {}
        for rows, machine in self._by_machine(points):
            for name, part in split(machine, features(points[rows])).items():
                columns.setdefault(f"{name}_j", np.full(points.height, np.nan))[rows] = part
        return pl.DataFrame(columns).with_columns(pl.all().fill_nan(None))

    def score(self, X: PointsLike, y: ArrayLike | None = None) -> float:
        """R² of log energy."""
        observed = np.log(energies(check_points(_frame(X))).to_numpy() if y is None else np.asarray(y, float))
        residual = np.log(self.predict(X)) - observed
        return float(1 - (residual**2).sum() / ((observed - observed.mean()) ** 2).sum())

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Arguments by name."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def set_params(self, **params: Any) -> Self:
        """Set arguments by name.

        Raises:
            UsageError: there is no such argument.
        """
        known = self.get_params()
        for name, value in params.items():
            if name not in known:
                raise UsageError(f"an energy model has no argument {name!r}; it has {', '.join(known)}")
            setattr(self, name, value)
        return self

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn asks an estimator about itself: only it calls this."""
        from sklearn.utils import InputTags, RegressorTags, Tags, TargetTags

        return Tags(
            estimator_type="regressor",
            target_tags=TargetTags(required=True, positive_only=True),
            transformer_tags=None,
            classifier_tags=None,
            regressor_tags=RegressorTags(),
            input_tags=InputTags(),
        )

    def save(self, path: str | Path, force: bool = False) -> None:
        """Write the model as JSON (`model_file`).

        Raises:
            UsageError: the path exists, and `force` is not set.
            ModelError: the model is not fitted.
        """
        from wattlas.model.model_file import save_model

        self._fitted()
        save_model(self, Path(path), force)

    def _fitted(self) -> Mapping[str, MachineModel]:
        if not hasattr(self, "machines_"):
            raise ModelError("the energy model is not fitted; call fit first, or load_model")
        return self.machines_

    def _by_machine(self, points: pl.DataFrame) -> list[tuple[NDArray[np.intp], MachineModel]]:
        machines, names = self._fitted(), points["machine"].to_numpy()
        result = []
        for name in sorted(set(names.tolist())):
            if name not in machines:
                raise UsageError(
                    f"the model {self.name!r} knows {', '.join(machines)} and not the machine {name!r}; "
                    "fit one to measurements of that machine with 'wattlas model fit'"
                )
            result.append((np.flatnonzero(names == name), machines[name]))
        return result


def _frame(points: PointsLike) -> pl.DataFrame:
    if isinstance(points, pl.DataFrame):
        return points
    if isinstance(points, Mapping):
        return pl.DataFrame(points)
    raise UsageError(f"points are a {type(points).__name__}; give a polars frame or a mapping of columns")
