"""Machine descriptions as the nodes table keeps them: JSON there and back."""

import json
from typing import Any

import polars as pl

from wattlas.hardware.machine import CacheLevel, Gpu, Machine, Processor


def machine_from_json(text: str) -> Machine:
    """The machine of a `machine_json` field."""
    fields: dict[str, Any] = json.loads(text)
    fields["processors"] = tuple(Processor(**processor) for processor in fields["processors"])
    fields["caches"] = _levels(fields["caches"])
    fields["gpus"] = tuple(Gpu(**(gpu | {"levels": _levels(gpu["levels"])})) for gpu in fields["gpus"])
    return Machine(**fields)


def machines_of(nodes: pl.DataFrame) -> dict[str, Machine]:
    """Machines of a nodes table by name, each as it was described last."""
    ordered = nodes.drop_nulls("machine_json").sort("date")
    return {name: machine_from_json(text) for name, text in ordered.select("machine", "machine_json").rows()}


def _levels(levels: list[dict[str, Any]]) -> tuple[CacheLevel, ...]:
    return tuple(CacheLevel(**level) for level in levels)
