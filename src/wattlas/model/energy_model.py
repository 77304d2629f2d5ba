"""The energy model: one law per machine; predicts, attributes, is saved as JSON."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

import wattlas
from wattlas.core.errors import ModelError, UnknownNameError, UsageError
from wattlas.core.units import format_si
from wattlas.hardware.machine import CacheLevel
from wattlas.model.features import Vector, features
from wattlas.model.law import Law, unit
from wattlas.model.machine_model import MachineModel
from wattlas.model.points import check_points

FORMAT = "wattlas-energy-model"
VERSION = 1
# Readable form of a coefficient: its base unit and what it is per.
_READABLE = {
    "flop": "J/FLOP",
    "parameter_byte": "J/B",
    "activation_byte": "J/B",
    "input_byte": "J/B",
    "step": "J/step",
    "device_step": "J/step",
    "layer": "J/layer",
    "sync": "J/layer",
    "epoch": "J/epoch",
}


@dataclass(frozen=True)
class EnergyModel:
    """Predicts the energy per datum of training networks on the machines it was fitted on."""

    machines: Mapping[str, MachineModel]
    name: str = "energy model"

    @property
    def sources(self) -> tuple[str, ...]:
        """Where the fitted energies came from: any of measured, modelled and simulated."""
        found: set[str] = set()
        for machine in self.machines.values():
            listed = machine.data.get("sources", ())
            assert isinstance(listed, list | tuple)
            found.update(str(each) for each in listed)
        return tuple(sorted(found))

    def predict(
        self, points: pl.DataFrame, coverage: float = 0.95
    ) -> tuple[Vector, Vector, Vector, NDArray[np.bool_]]:
        """Energy per datum, J, of each point, the ends of its interval, and whether it is extrapolated.

        Raises:
            UsageError: a machine that the model does not know.
            DataError: points without features.
        """
        n = points.height
        energy, lower, upper = np.empty(n), np.empty(n), np.empty(n)
        extrapolated = np.zeros(n, dtype=np.bool_)
        for rows, machine, frame in self._by_machine(points):
            p = machine.predict(features(frame), coverage)
            energy[rows], lower[rows], upper[rows] = p.energy_j, p.lower_j, p.upper_j
            extrapolated[rows] = p.extrapolated
        return energy, lower, upper, extrapolated

    def attribute(self, points: pl.DataFrame) -> pl.DataFrame:
        """Energy per datum of each point by cause, a column `..._j` each, and `total_j`, their sum.

        Null: that machine's model has no such part (another machine's cache level, an unknown idle power).
        """
        columns: dict[str, Vector] = {}
        total = np.zeros(points.height)
        for rows, machine, frame in self._by_machine(points):
            for name, part in machine.attribute(features(frame)).items():
                column = columns.setdefault(f"{name}_j", np.full(points.height, np.nan))
                column[rows] = part
                total[rows] += part
        order = ("idle_j", "launch_j", "compute_j")
        named = {n: columns[n] for n in (*order, *columns) if n in columns}
        return pl.DataFrame({**named, "total_j": total}).with_columns(pl.all().fill_nan(None))

    def to_dict(self) -> dict[str, Any]:
        """The model as JSON values."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "name": self.name,
            "wattlas": wattlas.__version__,
            "predicts": "energy per training datum, J = energy / (epochs · training batches · batch size)",
            "sources": list(self.sources),
            "machines": {name: _machine_to_dict(m) for name, m in self.machines.items()},
        }

    def save(self, path: str | Path, force: bool = False) -> None:
        """Write the model as JSON.

        Raises:
            UsageError: the path exists, and `force` is not set.
        """
        path = Path(path)
        if path.exists() and not force:
            raise UsageError(f"{path} exists; choose another path, or overwrite it with --force")
        text = json.dumps(self.to_dict(), indent=1, allow_nan=False, ensure_ascii=False)
        path.write_text(_compact(text) + "\n", encoding="utf-8")

    def _by_machine(self, points: pl.DataFrame) -> list[tuple[NDArray[np.intp], MachineModel, pl.DataFrame]]:
        points = check_points(points)
        names = points["machine"].cast(pl.String)
        result = []
        for name in names.unique().sort():
            if name not in self.machines:
                raise UsageError(
                    f"the model {self.name!r} does not know the machine {name!r}, only "
                    f"{', '.join(self.machines)}; move it there with 'wattlas model calibrate'"
                )
            rows = np.flatnonzero((names == name).to_numpy())
            frame = points if len(rows) == points.height else points[rows]
            result.append((rows, self.machines[name], frame))
        return result


def shipped_models() -> tuple[str, ...]:
    """Names of the models that come with Wattlas."""
    files = resources.files("wattlas.model").joinpath("shipped").iterdir()
    return tuple(sorted(f.name.removesuffix(".json") for f in files if f.name.endswith(".json")))


def load_model(path_or_name: str | Path) -> EnergyModel:
    """A saved model, or one that comes with Wattlas, by name.

    Raises:
        UnknownNameError: there is no such file and no such model.
        ModelError: the file is no energy model.
    """
    text = str(path_or_name)
    if text in shipped_models():
        content = resources.files("wattlas.model").joinpath("shipped", f"{text}.json").read_text("utf-8")
    elif not Path(text).is_file():
        raise UnknownNameError("model", text, shipped_models())
    else:
        try:
            content = Path(text).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ModelError(
                f"cannot read the model {text}: {error}; give a file of 'wattlas model fit'"
            ) from error
    try:
        document = json.loads(content)
        if document["format"] != FORMAT or document["version"] != VERSION:
            raise ModelError(
                f"{text} is {document['format']} version {document['version']}, and this Wattlas reads {FORMAT} "
                f"version {VERSION}; fit it again"
            )
        machines = {n: _machine_from_dict(n, m) for n, m in document["machines"].items()}
        return EnergyModel(machines, document["name"])
    except (json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"{text} is no energy model ({type(error).__name__}: {error}); give a file of 'wattlas model fit'"
        ) from error


def _machine_to_dict(m: MachineModel) -> dict[str, Any]:
    relative = m.relative_u
    coefficients = {}
    for name, value in m.values.items():
        entry: dict[str, Any] = {"value": value, "unit": unit(name)}
        entry["relative_u"] = relative.get(name)
        base = name.partition("_beyond_")[0]
        if base in _READABLE:
            symbol = _READABLE[base]
            entry["reads"] = f"{format_si(value, 'J', 3)}{symbol[1:]}"
        coefficients[name] = entry
    return {
        "coefficients": coefficients,
        "fixed": sorted(m.law.fixed),
        "log_sd": m.log_sd,
        "degrees_of_freedom": m.freedom,
        "range_of_validity": {n: list(r) for n, r in m.valid.items()},
        "idle_fraction": m.idle_fraction,
        "cannot_tell": list(m.notes),
        "held_out": dict(m.metrics),
        "data": dict(m.data),
        "levels": [asdict(level) for level in m.law.levels],
        "log_covariance": [list(map(float, row)) for row in m.covariance],
        "log_covariance_of": list(m.law.free),
    }


def _machine_from_dict(name: str, d: dict[str, Any]) -> MachineModel:
    values = {n: float(c["value"]) for n, c in d["coefficients"].items()}
    law = Law(
        tuple(d["log_covariance_of"]),
        {n: values[n] for n in d["fixed"]},
        tuple(CacheLevel(**level) for level in d["levels"]),
    )
    covariance = np.array(d["log_covariance"], dtype=np.float64).reshape(len(law.free), len(law.free))
    return MachineModel(
        machine=name,
        law=law,
        x=law.logs(values),
        covariance=covariance,
        log_sd=float(d["log_sd"]),
        freedom=int(d["degrees_of_freedom"]),
        valid={n: (float(r[0]), float(r[1])) for n, r in d["range_of_validity"].items()},
        idle_fraction=d["idle_fraction"],
        data=d["data"],
        notes=tuple(d["cannot_tell"]),
        metrics=d["held_out"],
    )


def _compact(text: str) -> str:
    """JSON with each list of numbers on one line: a matrix row is read as a row."""
    lines: list[str] = []
    gathered: list[str] | None = None
    for line in text.split("\n"):
        if gathered is not None:
            gathered.append(line.strip())
            if line.strip().rstrip(",") == "]":
                lines.append(f"{gathered[0]}{' '.join(gathered[1:-1])}{gathered[-1]}")
                gathered = None
            elif line.rstrip().endswith(("[", "{")):
                # Not a flat list: give back what was gathered.
                lines.append(gathered[0])
                lines += gathered[1:-1]
                gathered = [line] if line.rstrip().endswith("[") else None
                if gathered is None:
                    lines.append(line)
        elif line.rstrip().endswith("["):
            gathered = [line]
        else:
            lines.append(line)
    return "\n".join(lines)
