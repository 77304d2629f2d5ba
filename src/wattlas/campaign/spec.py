"""The sweep spec: a TOML file that says what to train, how often, and how to meter it."""

import difflib
import math
import tomllib
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from wattlas.campaign.spec_lines import key_lines, line_of
from wattlas.core.errors import SpecError, UnknownNameError
from wattlas.engines.data import data_names
from wattlas.engines.registry import engine_names
from wattlas.meters.registry import meter_names
from wattlas.networks.shapes import shape_names
from wattlas.networks.tasks import PAPER_TASKS

MAX_LOG2_SIZE = 40
Positive = Annotated[float, Field(gt=0)]
Size = Annotated[int, Field(ge=1, le=2**MAX_LOG2_SIZE)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class CampaignTable(_Table):
    """`[campaign]`: its name, and the seed of the order in which the runs are taken."""

    name: str = Field(min_length=1)
    seed: int = Field(default=0, ge=0)


class NetworksTable(_Table):
    """`[networks]`: shapes × depths × sizes. A size whose closest network is further off is left out."""

    shapes: list[str] = Field(min_length=1)
    depths: list[Annotated[int, Field(ge=2, le=1000)]] = Field(min_length=1)
    sizes: list[Size] | None = Field(default=None, min_length=1)
    log2_sizes: list[Annotated[float, Field(ge=0, le=MAX_LOG2_SIZE)]] | None = Field(
        default=None, min_length=1
    )
    size_tolerance: float = Field(default=0.2, ge=0)

    @field_validator("shapes")
    @classmethod
    def _known_shapes(cls, shapes: list[str]) -> list[str]:
        for shape in shapes:
            if shape not in shape_names():
                raise ValueError(str(UnknownNameError("shape", shape, shape_names())))
        return shapes

    @model_validator(mode="after")
    def _one_kind_of_size(self) -> "NetworksTable":
        if (self.sizes is None) == (self.log2_sizes is None):
            raise ValueError("give the sizes as either 'sizes' or 'log2_sizes'")
        return self

    @property
    def target_sizes(self) -> tuple[int, ...]:
        """Target numbers of parameters, in the order given, each once."""
        sizes = self.sizes if self.sizes is not None else [round(2**k) for k in self.log2_sizes or ()]
        return tuple(dict.fromkeys(sizes))


class DatasetTable(_Table):
    """One `[[datasets]]`: a named dataset, or a CSV file with its target column and loss."""

    path: str | None = None
    name: str = Field(min_length=1)
    target: str | None = None
    loss: Literal["mean_squared_error", "binary_crossentropy", "categorical_crossentropy"] | None = None

    @field_validator("name")
    @classmethod
    def _known_name(cls, name: str, fields: ValidationInfo) -> str:
        known = {*PAPER_TASKS, *data_names()}
        if fields.data.get("path") is None and name not in known:
            raise ValueError(str(UnknownNameError("dataset", name, known)))
        return name

    @model_validator(mode="after")
    def _file_is_whole(self) -> "DatasetTable":
        if self.path is None and (self.target or self.loss):
            raise ValueError(
                "'target' and 'loss' belong to a dataset with a 'path'; give the path or drop them"
            )
        if self.path is not None and not self.target:
            raise ValueError("a dataset with a 'path' needs 'target', the column to predict")
        return self


class TrainingTable(_Table):
    """`[training]`: every training choice but the network."""

    epochs: int = Field(ge=1)
    batch_size: int = Field(default=256, ge=1)
    learning_rate: Positive = 1e-4
    epsilon: Positive = 1e-7
    epsilon_convention: Literal["keras", "standard"] = "keras"
    test_fraction: float = Field(default=0.2, gt=0, lt=1)


class RunsTable(_Table):
    """`[runs]`: how often each experiment is run, and in which order."""

    repetitions: int = Field(default=1, ge=1, le=10_000)
    order: Literal["random", "as-written"] = "random"


class EngineTable(_Table):
    """`[engine]`: what trains, on how many threads (default: every CPU this process may use)."""

    name: str = "jax"
    threads: int | None = Field(default=None, ge=1)

    @field_validator("name")
    @classmethod
    def _known_engine(cls, name: str) -> str:
        if name not in engine_names():
            raise ValueError(str(UnknownNameError("engine", name, engine_names())))
        return name


class MeterTable(_Table):
    """`[meter]`: which meters to read, and what to do where none can be read.

    `names` are meter names or `name?option=value` as on the command line; without them every real meter that
    this machine lets us read. `fallback = "modelled"` is the only way to go on without a readable meter.
    `idle_power_w`, `peak_power_w` and `u_power_relative` are what the modelled meter takes the machine to
    draw.
    """

    names: list[Annotated[str, Field(min_length=1)]] | None = Field(default=None, min_length=1)
    fallback: Literal["modelled"] | None = None
    interval_s: Annotated[float, Field(ge=0.001, le=60)] = 0.1
    idle_power_w: Positive | None = None
    peak_power_w: Positive | None = None
    u_power_relative: Annotated[float, Field(gt=0, le=1)] | None = None
    baseline_s: Annotated[float, Field(ge=0, le=3600)] = 5.0

    @field_validator("names")
    @classmethod
    def _known_meters(cls, names: list[str] | None) -> list[str] | None:
        for name in names or ():
            if name.partition("?")[0] not in meter_names():
                raise ValueError(str(UnknownNameError("meter", name.partition("?")[0], meter_names())))
        return names

    def modelled_url(self) -> str:
        """The modelled meter with this table's options, as `open_meter` takes it."""
        options = {
            "idle_power_w": self.idle_power_w,
            "peak_power_w": self.peak_power_w,
            "u_power_relative": self.u_power_relative,
        }
        given = "&".join(f"{key}={value!r}" for key, value in options.items() if value is not None)
        return f"modelled?{given}" if given else "modelled"


class MachineTable(_Table):
    """`[machine]`: the catalogue name of the machine; without it, the machine is probed."""

    name: str | None = None


class SweepSpec(_Table):
    """A whole sweep spec, valid as it stands."""

    campaign: CampaignTable
    networks: NetworksTable
    datasets: list[DatasetTable] = Field(min_length=1)
    training: TrainingTable
    runs: RunsTable = RunsTable()
    engine: EngineTable = EngineTable()
    meter: MeterTable = MeterTable()
    machine: MachineTable = MachineTable()

    @field_validator("datasets")
    @classmethod
    def _unique_datasets(cls, datasets: list[DatasetTable]) -> list[DatasetTable]:
        names = [dataset.name for dataset in datasets]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"dataset {name!r} stands here twice; give each its own name")
        return datasets


def load_spec(path: Path) -> SweepSpec:
    """Read and validate a sweep spec.

    Raises:
        SpecError: with one line that names the file, the line and the key.
    """
    try:
        text = path.read_bytes().decode()
    except OSError as error:
        raise SpecError(f"{path}: {error.strerror}; give the path of a sweep spec") from error
    except UnicodeDecodeError as error:
        raise SpecError(f"{path}: not UTF-8 text; give the path of a sweep spec in TOML") from error
    spec = parse_spec(text, str(path))
    # A dataset's path is relative to the spec, wherever the command is typed.
    datasets = [
        table.model_copy(update={"path": str((path.parent / table.path).resolve())}) if table.path else table
        for table in spec.datasets
    ]
    return spec.model_copy(update={"datasets": datasets})


def published_spec(name: str) -> str:
    """The text of a published sweep's spec.

    Raises:
        UnknownNameError: there is none of that name.
    """
    files = {
        p.name.removesuffix(".toml"): p
        for p in resources.files("wattlas.campaign").joinpath("specs").iterdir()
    }
    if name not in files:
        raise UnknownNameError("published sweep", name, files)
    return files[name].read_text("utf-8")


def parse_spec(text: str, where: str = "spec") -> SweepSpec:
    """Validate the text of a sweep spec; `where` is what an error calls it."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SpecError(f"{where}: not TOML: {error}; mend that line") from error
    try:
        return SweepSpec.model_validate(raw)
    except ValidationError as error:
        raise SpecError(_explain(error, text, where)) from error


def _explain(error: ValidationError, text: str, where: str) -> str:
    lines = key_lines(text)
    messages = []
    # A mistyped key is why a needed one is missing: name it first.
    problems = sorted(error.errors(include_url=False), key=lambda p: p["type"] != "extra_forbidden")
    for problem in problems:
        location = problem["loc"]
        line = line_of(lines, location)
        key = ".".join(str(part) for part in location) or "spec"
        place = f"{where}:{line}" if line else where
        messages.append(f"{place}: {key}: {_reason(dict(problem))}")
    more = f" (and {len(messages) - 1} more)" if len(messages) > 1 else ""
    return messages[0] + more


def _reason(problem: dict[str, Any]) -> str:
    location = problem["loc"]
    if problem["type"] == "extra_forbidden":
        known = sorted(_fields_at(location[:-1]))
        close = difflib.get_close_matches(str(location[-1]), known, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        return f"unknown key; {hint}known here: {', '.join(known)}"
    if problem["type"] == "missing":
        return "is missing; add it"
    value = problem["input"]
    shown = "" if isinstance(value, dict | list | BaseModel) else f"; it is {value!r}"
    message = str(problem["msg"]).removeprefix("Value error, ")
    if isinstance(value, float) and not math.isfinite(value):
        message = "must be a finite number"
    return message[:1].lower() + message[1:] + ("" if problem["type"] == "value_error" else shown)


def _fields_at(location: tuple[str | int, ...]) -> Iterator[str]:
    """Field names of the table at a location of the spec."""
    table: type[BaseModel] = SweepSpec
    for part in location:
        if isinstance(part, str) and part in table.model_fields:
            annotation = table.model_fields[part].annotation
            inner = getattr(annotation, "__args__", (annotation,))[0]
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                table = inner
    yield from table.model_fields
