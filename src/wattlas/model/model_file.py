"""Energy models as JSON that a person can read, and the models that come with Wattlas."""

import json
import math
import re
from dataclasses import asdict
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import numpy as np

import wattlas
from wattlas.core.errors import ModelError, UnknownNameError, UsageError
from wattlas.core.units import format_si
from wattlas.hardware.machine import CacheLevel
from wattlas.model.energy_model import EnergyModel
from wattlas.model.law import SHAPES, TRAFFIC, UNITS, Law, beyond, describe
from wattlas.model.machine_model import MachineModel
from wattlas.model.timing import Timing

FORMAT = "wattlas-energy-model"
VERSION = 1
PREDICTS = "energy per training datum, J = energy / (epochs · training batches · batch size)"
_FIT_IT = "give a file that 'wattlas model fit' wrote"


def save_model(model: EnergyModel, path: Path, force: bool = False) -> None:
    """Write a fitted model.

    Raises:
        UsageError: the path exists, and `force` is not set.
    """
    if path.exists() and not force:
        raise UsageError(f"{path} exists; choose another path, or overwrite it with --force")
    path.write_text(model_text(model), encoding="utf-8")


def model_text(model: EnergyModel) -> str:
    """A fitted model as the text of its file."""
    text = json.dumps(model_to_dict(model), indent=1, allow_nan=False, ensure_ascii=False)
    # A row of numbers, or a list of names, is read as one. Within JSON strings there are no line ends.
    flat = re.sub(r"\[\n([^\[\]{}]*)\n *\]", lambda m: "[" + " ".join(m[1].split()) + "]", text)
    return flat + "\n"


def model_to_dict(model: EnergyModel) -> dict[str, Any]:
    """A fitted model as JSON values."""
    sources = sorted({each for m in model.machines_.values() for each in m.data["sources"]})
    return {
        "format": FORMAT,
        "version": VERSION,
        "name": model.name,
        "wattlas": wattlas.__version__,
        "predicts": PREDICTS,
        "sources": sources,
        "machines": {name: _machine_to_dict(m) for name, m in model.machines_.items()},
    }


def shipped_models() -> tuple[str, ...]:
    """Names of the models that come with Wattlas."""
    directory = _shipped()
    if not directory.is_dir():
        return ()
    names = (each.name for each in directory.iterdir())
    return tuple(sorted(name.removesuffix(".json") for name in names if name.endswith(".json")))


def load_model(path_or_name: str | Path) -> EnergyModel:
    """A saved model, or one that comes with Wattlas, by name.

    Raises:
        UnknownNameError: there is no such file and no such model.
        ModelError: the file is no energy model.
    """
    text = str(path_or_name)
    if text in shipped_models():
        content = _shipped().joinpath(f"{text}.json").read_text("utf-8")
    elif not Path(text).is_file():
        raise UnknownNameError("model or model file", text, shipped_models())
    else:
        try:
            content = Path(text).read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise ModelError(f"{text} is no text ({error.reason}); {_FIT_IT}") from error
    try:
        document = json.loads(content)
        found = (document["format"], document["version"])
        if found == (FORMAT, VERSION):
            if not document["machines"]:
                raise ValueError("it has no machine")
            model = EnergyModel(name=str(document["name"]))
            model.machines_ = {str(n): _machine_from_dict(m) for n, m in document["machines"].items()}
            return model
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        what = str(error)
        if isinstance(error, KeyError):
            what = f"it has no {error}"
        elif isinstance(error, AttributeError | IndexError | TypeError):
            what = "a value in it is of the wrong kind"
        raise ModelError(f"{text} is no energy model ({what}); {_FIT_IT}") from error
    raise ModelError(
        f"{text} is {found[0]} version {found[1]}, and this Wattlas reads {FORMAT} version {VERSION}; fit it "
        "again"
    )


def _shipped() -> Traversable:
    return resources.files("wattlas.model").joinpath("shipped")


def _machine_to_dict(m: MachineModel) -> dict[str, Any]:
    return {
        "coefficients": {name: _coefficient(m, name) for name in (*m.law.free, *m.law.fixed)},
        "byte_costs_j": _byte_costs(m),
        "power": _power(m.timing),
        "identifiability": list(m.identifiability),
        "range_of_validity": {n: list(r) for n, r in m.valid.items()},
        "log_sd": m.log_sd,
        "degrees_of_freedom": m.freedom,
        "held_out": dict(m.held_out),
        "data": dict(m.data),
        "levels": [asdict(level) for level in m.law.levels],
        "log_covariance_of": list(m.law.free),
        "log_covariance": m.covariance.tolist(),
    }


def _coefficient(m: MachineModel, name: str) -> dict[str, Any]:
    value = m.values[name]
    unit, meaning = describe(name)
    entry: dict[str, Any] = {"value": value, "unit": unit, "meaning": meaning}
    if name not in SHAPES:
        entry["reads"] = format_si(value, "J", 3) + unit.removeprefix("J")
    if name in m.law.fixed:
        return {**entry, "fixed": True}
    relative = m.relative_u[name]
    if m.timing is not None and m.timing.x is not None and name not in SHAPES:
        entry["seconds"] = m.law.values(m.timing.x)[name]
    return {
        **entry,
        "standard_error": value * relative,
        "relative_u": relative,
        "determined": name not in m.undetermined,
    }


def _power(timing: Timing | None) -> dict[str, Any] | None:
    if timing is None:
        return None
    return {
        "training_w": timing.training_w,
        "idle_w": timing.idle_w,
        "source": timing.source,
        "seconds_log": None if timing.x is None else timing.x.tolist(),
        "log_sd": timing.log_sd,
    }


def _timing_from_dict(d: dict[str, Any] | None, free: int) -> Timing | None:
    if d is None:
        return None
    x = None if d["seconds_log"] is None else np.array(d["seconds_log"], dtype=np.float64)
    if x is not None and (x.shape != (free,) or not np.isfinite(x).all()):
        raise ValueError(f"seconds_log is no row of {free} numbers")
    powers = [d["training_w"], *([] if d["idle_w"] is None else [d["idle_w"]])]
    if not all(math.isfinite(float(w)) and float(w) > 0 for w in powers):
        raise ValueError(f"the powers {powers} are not all positive")
    return Timing(float(d["training_w"]), d["idle_w"], str(d["source"]), x, d["log_sd"])


def _byte_costs(m: MachineModel) -> dict[str, dict[str, float]]:
    """J per byte that lies in each level: the base cost and what each level before it adds."""
    values, costs = m.values, {}
    running: dict[str, float] = {t: values[t] for t in TRAFFIC if t in values}
    for level in m.law.levels:
        costs[level.name] = dict(running)
        for traffic in running:
            running[traffic] += values.get(beyond(traffic, level.name), 0.0)
    return costs


def _machine_from_dict(d: dict[str, Any]) -> MachineModel:
    values = {str(n): float(c["value"]) for n, c in d["coefficients"].items()}
    for name, value in values.items():
        if name.partition("_beyond_")[0] not in UNITS:
            raise ValueError(f"there is no coefficient {name!r}")
        if (unit := d["coefficients"][name]["unit"]) != describe(name)[0]:
            raise ValueError(f"the coefficient {name} is in {unit!r}, not in {describe(name)[0]}")
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"the coefficient {name} is {value}")
    free = tuple(d["log_covariance_of"])
    law = Law(
        free,
        {n: v for n, v in values.items() if n not in free},
        tuple(CacheLevel(**level) for level in d["levels"]),
    )
    covariance = np.array(d["log_covariance"], dtype=np.float64)
    if covariance.shape != (len(free), len(free)) or not np.isfinite(covariance).all():
        raise ValueError(f"log_covariance is no matrix of {len(free)} by {len(free)} numbers")
    return MachineModel(
        law=law,
        x=law.logs(values),
        covariance=covariance,
        log_sd=float(d["log_sd"]),
        freedom=int(d["degrees_of_freedom"]),
        valid={n: (float(low), float(high)) for n, (low, high) in d["range_of_validity"].items()},
        undetermined=tuple(n for n in free if not d["coefficients"][n]["determined"]),
        identifiability=tuple(d["identifiability"]),
        held_out=d["held_out"],
        data={**d["data"], "sources": list(d["data"]["sources"])},
        timing=_timing_from_dict(d.get("power"), len(free)),
    )
