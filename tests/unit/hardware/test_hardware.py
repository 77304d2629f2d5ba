"""The catalogue, strict machine files, hierarchies and scaled power."""

from dataclasses import replace
from importlib import resources
from pathlib import Path

import pytest

from wattlas.core.errors import DataError, UnknownNameError, UsageError
from wattlas.hardware import (
    CacheLevel,
    Machine,
    Processor,
    from_toml,
    load_machine,
    machine_names,
    modelled_power,
)

EAGLE = resources.files("wattlas.hardware.catalogue").joinpath("eagle-cpu.toml").read_text()


def test_every_machine_of_the_catalogue_loads_with_a_source_for_every_fact() -> None:
    assert set(machine_names()) >= {"eagle-cpu", "eagle-gpu"}
    for name in machine_names():
        machine = load_machine(name)
        assert machine.name == name
        assert machine.hierarchy
        for field in ("processors[0]", "memory_bytes", "idle_power_w", "training_power_w", "peak_power_w"):
            assert machine.provenance[field]


def test_published_powers() -> None:
    cpu, gpu = load_machine("eagle-cpu"), load_machine("eagle-gpu")
    assert (cpu.idle_power_w, cpu.training_power_w) == (220, 326.31)
    assert (gpu.idle_power_w, gpu.training_power_w) == (374, 427.14)
    assert (cpu.cores, cpu.device, gpu.device) == (36, "cpu", "gpu")


def test_a_machine_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(EAGLE.replace('name = "eagle-cpu"', 'name = "mine"'))
    assert load_machine(path) == replace(load_machine("eagle-cpu"), name="mine")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("units = 2", "units = 0", r"m.toml: caches\[2\].units is 0"),
        ("units = 2", 'units = "2"', r"caches\[2\].units is '2'"),
        ("units = 2", "", r"caches\[2\].units is missing"),
        ("units = 2", "units = 2\nway = 4", r"unknown key caches\[2\].way"),
        ('device = "cpu"', 'device = "tpu"', "device is 'tpu'; it must be cpu or gpu"),
        ('device = "cpu"', 'device = "gpu"', "gpus is missing"),
        ("value = 220", "value = -220", "power.idle_w.value is -220"),
        ("value = 220", "value = 2200", "idle_w <= training_w <= peak_w"),
        ("value = 220", "value = nan", "power.idle_w.value is nan"),
        ('name = "eagle-cpu"', 'name = "eagle-cpu', "not TOML"),
        ('name = "eagle-cpu"', 'name = ""', "name is ''"),
    ],
)
def test_a_bad_machine_file_names_file_and_key(old: str, new: str, message: str) -> None:
    assert old in EAGLE
    with pytest.raises(DataError, match=message):
        from_toml(EAGLE.replace(old, new, 1), "m.toml")


def test_a_machine_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'eagle-cpu'"):
        load_machine("eagle-cup")
    with pytest.raises(DataError, match="cannot read the machine file"):
        load_machine(tmp_path / "none.toml")


def machine(**changes: object) -> Machine:
    return replace(Machine("m", (Processor("x", 1, 4),), (), 2**30), **changes)  # type: ignore[arg-type]


def test_a_hybrid_has_one_level_of_each_kind() -> None:
    caches = (
        CacheLevel("L1", 1, "data", 48, 2),
        CacheLevel("L1", 1, "data", 32, 6),
        CacheLevel("L1i", 1, "instruction", 64, 8),
        CacheLevel("L2", 2, "unified", 1000, 3),
    )
    levels = machine(caches=caches).hierarchy
    assert [(c.name, c.capacity_bytes, c.units) for c in levels] == [
        ("L1", 36, 8),
        ("L2", 1000, 3),
        ("RAM", 2**30, 1),
    ]


def test_memory_of_unknown_size_is_no_level() -> None:
    assert machine(memory_bytes=None).hierarchy == ()


def test_declared_power_is_taken_as_it_is() -> None:
    power = modelled_power(load_machine("eagle-cpu"))
    assert (power.idle_w, power.peak_w, power.u_relative, power.flags) == (220, 326.31, 0.05, ())
    power = modelled_power(machine(idle_power_w=5.0, peak_power_w=20.0))
    assert (power.idle_w, power.peak_w, power.u_relative) == (5, 20, 0.5)


def test_scaled_power_says_so_and_is_wide() -> None:
    power = modelled_power(machine())
    assert power.idle_w == pytest.approx(220 * 4 / 36)
    assert power.peak_w == pytest.approx(326.31 * 4 / 36)
    assert power.u_relative >= 0.5
    assert power.flags == ("power_scaled_from_eagle_cpu",)
    assert "eagle-cpu" in power.provenance


@pytest.mark.parametrize("changes", [{"device": "gpu"}, {"processors": ()}])
def test_nothing_is_scaled_from_nothing(changes: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="declare both"):
        modelled_power(machine(**changes))
