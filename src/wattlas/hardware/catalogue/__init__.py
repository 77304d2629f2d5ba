"""Known machines: one TOML file each, every fact with its source. A new machine is a new file.

A name finds `<name>.toml` beside this module; anything with a slash or ending in `.toml` is a file of yours.
The format is strict: an unknown, missing or ill-typed key is an error that names the file and the key.
"""

import tomllib
from importlib import resources
from pathlib import Path

from wattlas.core.errors import DataError, UnknownNameError
from wattlas.hardware.machine import CacheLevel, Gpu, Machine, Processor
from wattlas.hardware.toml_table import TomlTable

__all__ = ["from_toml", "load_machine", "machine_names"]

_LEVEL_KINDS = ("data", "instruction", "unified", "memory")


def machine_names() -> tuple[str, ...]:
    """Names of the machines that come with Wattlas."""
    files = resources.files(__name__).iterdir()
    return tuple(sorted(f.name.removesuffix(".toml") for f in files if f.name.endswith(".toml")))


def load_machine(name_or_path: str | Path) -> Machine:
    """A machine of the catalogue, or of a TOML file.

    Raises:
        UnknownNameError: neither.
        DataError: the file cannot be read, or does not describe a machine.

    >>> load_machine("eagle-cpu").idle_power_w
    220.0
    """
    text = str(name_or_path)
    if "/" in text or text.endswith(".toml"):
        try:
            content = Path(text).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
            raise DataError(
                f"cannot read the machine file {text}: {reason}; give a TOML file or one of "
                f"{', '.join(machine_names())}"
            ) from error
        return from_toml(content, text)
    if text not in machine_names():
        raise UnknownNameError("machine", text, machine_names())
    content = resources.files(__name__).joinpath(f"{text}.toml").read_text(encoding="utf-8")
    return from_toml(content, f"{text}.toml")


def from_toml(content: str, where: str) -> Machine:
    """The machine that TOML text describes; `where` names it in errors.

    Raises:
        DataError: it does not describe one; the message names the file and the key.
    """
    try:
        document = tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"{where}: not TOML: {error}; mend that line") from error
    top = TomlTable(document, where, "")
    name, device = top.text("name"), top.choice("device", ("cpu", "gpu"))
    provenance: dict[str, str] = {}
    processors = []
    for i, table in enumerate(top.tables("processors")):
        model, sockets, cores = table.text("model"), table.whole("sockets"), table.whole("cores")
        processors.append(Processor(model, sockets, cores, table.optional_number("tdp_w")))
        provenance[f"processors[{i}]"] = table.text("source")
        table.done()
    caches = _levels(top, "caches", provenance, "caches")
    memory = top.table("memory")
    memory_bytes = memory.whole("capacity_bytes")
    provenance["memory_bytes"] = memory.text("source")
    memory.done()
    gpus = []
    for i, table in enumerate(top.tables("gpus", required=device == "gpu")):
        gpu = (table.text("model"), table.whole("count"), table.whole("memory_bytes"))
        levels = _levels(table, "levels", provenance, f"gpus[{i}].levels")
        gpus.append(Gpu(*gpu, levels, table.optional_number("tdp_w")))
        provenance[f"gpus[{i}]"] = table.text("source")
        table.done()
    powers: dict[str, float | None] = dict.fromkeys(("idle_w", "training_w", "peak_w", "u_relative"))
    if power := top.optional_table("power"):
        for key in powers:
            if fact := power.optional_table(key):
                powers[key] = fact.number("value")
                provenance["u_power_relative" if key == "u_relative" else f"{key[:-2]}_power_w"] = fact.text(
                    "source"
                )
                fact.done()
        power.done()
        _check_powers(powers, where)
    top.done()
    return Machine(
        name=name,
        processors=tuple(processors),
        caches=caches,
        memory_bytes=memory_bytes,
        gpus=tuple(gpus),
        device="gpu" if device == "gpu" else "cpu",
        idle_power_w=powers["idle_w"],
        peak_power_w=powers["peak_w"],
        u_power_relative=powers["u_relative"],
        provenance=provenance,
        training_power_w=powers["training_w"],
    )


def _levels(parent: TomlTable, key: str, provenance: dict[str, str], label: str) -> tuple[CacheLevel, ...]:
    levels = []
    for table in parent.tables(key):
        level = CacheLevel(
            table.text("name"),
            table.whole("level"),
            table.choice("kind", _LEVEL_KINDS),
            table.whole("capacity_bytes"),
            table.whole("units"),
        )
        provenance[f"{label}.{level.name}"] = table.text("source")
        table.done()
        levels.append(level)
    return tuple(levels)


def _check_powers(powers: dict[str, float | None], where: str) -> None:
    known = [powers[key] for key in ("idle_w", "training_w", "peak_w") if powers[key] is not None]
    if known != sorted(known, key=float):  # type: ignore[arg-type]
        raise DataError(f"{where}: power: idle_w <= training_w <= peak_w does not hold; mend the values")
