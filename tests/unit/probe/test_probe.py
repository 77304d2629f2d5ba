"""What a machine is found to be, from trees of files like those of real kernels."""

from collections.abc import Callable
from pathlib import Path

import pytest

from wattlas.core.roots import proc_root, sysfs_root
from wattlas.hardware import Machine
from wattlas.probe import probe_machine

XEON = "Intel(R) Xeon(R) Gold 6154 CPU @ 3.00GHz"


def put(path: Path, text: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{text}\n")


def add_cpu(root: Path, cpu: int, package: int, core: int, siblings: str) -> None:
    topology = root / f"sys/devices/system/cpu/cpu{cpu}/topology"
    put(topology / "physical_package_id", package)
    put(topology / "core_id", core)
    put(topology / "thread_siblings_list", siblings)


def add_cache(root: Path, cpu: int, index: int, level: int, kind: str, size: str, shared: str) -> None:
    cache = root / f"sys/devices/system/cpu/cpu{cpu}/cache/index{index}"
    for name, value in {"level": level, "type": kind, "size": size, "shared_cpu_list": shared}.items():
        put(cache / name, value)


def add_proc(
    root: Path, cpus: int, model: str = XEON, flags: str = "fpu avx2", memory_kb: int = 97_000_000
) -> None:
    blocks = [f"processor\t: {i}\nmodel name\t: {model}\nflags\t\t: {flags}\n" for i in range(cpus)]
    put(root / "proc/cpuinfo", "\n".join(blocks))
    put(root / "proc/meminfo", f"MemTotal:       {memory_kb} kB\nMemFree:        1 kB")


def xeon(root: Path) -> None:
    """Two Xeon Gold 6154 with hyper-threading: threads of a core are n and n + 36, core ids have holes."""
    put(root / "sys/devices/system/cpu/online", "0-71")
    for cpu in range(72):
        core = cpu % 36
        package = core // 18
        pair = f"{core},{core + 36}"
        socket = f"{18 * package}-{18 * package + 17},{18 * package + 36}-{18 * package + 53}"
        add_cpu(root, cpu, package, (core % 18) * 3 // 2, pair)
        add_cache(root, cpu, 0, 1, "Data", "32K", pair)
        add_cache(root, cpu, 1, 1, "Instruction", "32K", pair)
        add_cache(root, cpu, 2, 2, "Unified", "1024K", pair)
        add_cache(root, cpu, 3, 3, "Unified", "25344K", socket)
    add_proc(root, 72)


def probe(root: Path) -> Machine:
    return probe_machine(root / "sys", root / "proc")


def counts(machine: Machine) -> dict[str, list[tuple[int, int]]]:
    found: dict[str, list[tuple[int, int]]] = {}
    for cache in machine.caches:
        found.setdefault(cache.name, []).append((cache.capacity_bytes, cache.units))
    return found


def test_two_sockets_with_hyper_threading(tmp_path: Path) -> None:
    xeon(tmp_path)
    machine = probe(tmp_path)
    (processor,) = machine.processors
    assert (processor.model, processor.sockets, processor.cores) == (XEON, 2, 36)
    assert counts(machine) == {
        "L1": [(32 * 1024, 36)],
        "L1i": [(32 * 1024, 36)],
        "L2": [(1024**2, 36)],
        "L3": [(25_952_256, 2)],
    }
    assert machine.memory_bytes == 97_000_000 * 1024
    assert not machine.virtual
    assert machine.name == "intel-xeon-gold-6154-36c"
    assert [level.name for level in machine.hierarchy] == ["L1", "L2", "L3", "RAM"]
    assert machine.idle_power_w is None
    assert "not known" in machine.provenance["idle_power_w"]


def test_cpus_offline_are_not_counted(tmp_path: Path) -> None:
    xeon(tmp_path)
    # All of the second socket, and the second threads of the first.
    put(tmp_path / "sys/devices/system/cpu/online", "0-17")
    machine = probe(tmp_path)
    assert (machine.processors[0].sockets, machine.processors[0].cores) == (1, 18)
    assert {name: sum(n for _, n in c) for name, c in counts(machine).items()} == {
        "L1": 18,
        "L1i": 18,
        "L2": 18,
        "L3": 1,
    }


def test_without_the_online_file_each_cpu_says_itself(tmp_path: Path) -> None:
    xeon(tmp_path)
    (tmp_path / "sys/devices/system/cpu/online").unlink()
    for cpu in range(1, 72):
        put(tmp_path / f"sys/devices/system/cpu/cpu{cpu}/online", int(cpu < 18))
    assert probe(tmp_path).processors[0].cores == 18


def test_hybrid_cores_have_caches_of_two_sizes(tmp_path: Path) -> None:
    # Two P-cores of two threads (0-3) and one cluster of four E-cores (4-7) that share an L2.
    put(tmp_path / "sys/devices/system/cpu/online", "0-7")
    for cpu in range(8):
        own = f"{cpu // 2 * 2}-{cpu // 2 * 2 + 1}" if cpu < 4 else f"{cpu}"
        add_cpu(tmp_path, cpu, 0, cpu // 2 * 4 if cpu < 4 else cpu + 4, own)
        add_cache(tmp_path, cpu, 0, 1, "Data", "48K" if cpu < 4 else "32K", own)
        add_cache(tmp_path, cpu, 2, 2, "Unified", "1280K" if cpu < 4 else "2048K", own if cpu < 4 else "4-7")
        add_cache(tmp_path, cpu, 3, 3, "Unified", "12288K", "0-7")
    add_proc(tmp_path, 8, "12th Gen Intel(R) Core(TM) i5")
    machine = probe(tmp_path)
    assert machine.cores == 6
    assert counts(machine) == {
        "L1": [(48 * 1024, 2), (32 * 1024, 4)],
        "L2": [(2048 * 1024, 1), (1280 * 1024, 2)],
        "L3": [(12288 * 1024, 1)],
    }
    assert [(c.name, c.units) for c in machine.hierarchy] == [("L1", 6), ("L2", 3), ("L3", 1), ("RAM", 1)]


def test_a_virtual_machine_says_who_told(tmp_path: Path) -> None:
    xeon(tmp_path)
    add_proc(tmp_path, 72, flags="fpu hypervisor avx2")
    machine = probe(tmp_path)
    assert machine.virtual
    assert machine.name.endswith("-vm")
    for field in ("processors", "caches", "memory_bytes"):
        assert machine.provenance[field].endswith("as the hypervisor reports it")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("hypervisor/type", "xen"),
        ("class/dmi/id/sys_vendor", "QEMU"),
        ("class/dmi/id/product_name", "VMware7,1"),
    ],
)
def test_a_virtual_machine_without_the_flag(tmp_path: Path, path: str, text: str) -> None:
    xeon(tmp_path)
    put(tmp_path / "sys" / path, text)
    assert probe(tmp_path).virtual


def test_arm_has_no_model_names(tmp_path: Path) -> None:
    put(tmp_path / "sys/devices/system/cpu/online", "0-1")
    for cpu in range(2):
        add_cpu(tmp_path, cpu, -1, cpu, str(cpu))
    put(
        tmp_path / "proc/cpuinfo",
        "".join(f"processor\t: {i}\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n\n" for i in range(2)),
    )
    machine = probe(tmp_path)
    (processor,) = machine.processors
    assert (processor.model, processor.sockets, processor.cores) == ("ARM implementer 0x41 part 0xd0c", 1, 2)
    assert "taken as one" in machine.provenance["processors"]
    assert machine.caches == ()
    assert "not known" in machine.provenance["caches"]


def test_an_empty_tree_is_unknown_and_not_zero(tmp_path: Path) -> None:
    machine = probe(tmp_path)
    assert (machine.processors, machine.caches, machine.gpus, machine.memory_bytes) == ((), (), (), None)
    for field in ("processors", "caches", "gpus", "memory_bytes"):
        assert machine.provenance[field].startswith("not known")
    assert machine.name == "unknown"


def remove(name: str) -> Callable[[Path], None]:
    return lambda cache: (cache / name).unlink()


def write(name: str, text: str) -> Callable[[Path], None]:
    return lambda cache: put(cache / name, text)


@pytest.mark.parametrize(
    "damage",
    [remove("size"), remove("shared_cpu_list"), write("size", "many"), write("size", "0K"),
     write("shared_cpu_list", "5"), write("shared_cpu_list", "7-5"), write("shared_cpu_list", "5,6,41")],
)  # fmt: skip
def test_a_damaged_level_is_left_out_and_named(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    xeon(tmp_path)
    damage(tmp_path / "sys/devices/system/cpu/cpu5/cache/index2")
    machine = probe(tmp_path)
    assert sorted(counts(machine)) == ["L1", "L1i", "L3"]
    assert "L2 Unified left out" in machine.provenance["caches"]


def test_a_cpu_without_cache_files_hides_no_cache(tmp_path: Path) -> None:
    xeon(tmp_path)
    for cpu in (5, 41):
        for index in range(4):
            for file in (tmp_path / f"sys/devices/system/cpu/cpu{cpu}/cache/index{index}").iterdir():
                file.unlink()
            file.parent.rmdir()
    # The other CPUs of the socket tell its L3; how many L1 and L2 there are is not known.
    machine = probe(tmp_path)
    assert counts(machine) == {"L3": [(25_952_256, 2)]}
    assert "cpu5 describes none" in machine.provenance["caches"]


def test_a_damaged_topology_gives_no_cores(tmp_path: Path) -> None:
    xeon(tmp_path)
    (tmp_path / "sys/devices/system/cpu/cpu7/topology/physical_package_id").unlink()
    machine = probe(tmp_path)
    assert machine.processors == ()
    assert "cpu7" in machine.provenance["processors"]


def add_pci(root: Path, address: str, vendor: str, device: str, pci_class: str) -> Path:
    folder = root / "sys/bus/pci/devices" / address
    for name, value in {"vendor": vendor, "device": device, "class": pci_class}.items():
        put(folder / name, value)
    return folder


def test_gpus(tmp_path: Path) -> None:
    xeon(tmp_path)
    for address in ("0000:37:00.0", "0000:86:00.0"):
        add_pci(tmp_path, address, "0x10de", "0x1db4", "0x030200")
        put(
            tmp_path / f"proc/driver/nvidia/gpus/{address}/information",
            "Model: \t\t Tesla V100-PCIE-16GB\nIRQ:   \t\t 64",
        )
    amd = add_pci(tmp_path, "0000:c3:00.0", "0x1002", "0x740f", "0x038000")
    put(amd / "mem_info_vram_total", 68_702_699_520)
    add_pci(tmp_path, "0000:01:00.0", "0x1a03", "0x2000", "0x030000")  # a BMC's console
    add_pci(tmp_path, "0000:02:00.0", "0x10de", "0x10f2", "0x040300")  # a card's sound
    machine = probe(tmp_path)
    assert [(g.model, g.count, g.memory_bytes) for g in machine.gpus] == [
        ("NVIDIA Tesla V100-PCIE-16GB", 2, None),
        ("AMD [1002:740f]", 1, 68_702_699_520),
    ]


def test_roots_come_from_the_environment() -> None:
    assert sysfs_root({}) == Path("/sys")
    assert sysfs_root({"WATTLAS_SYSFS_ROOT": "/tmp/tree"}) == Path("/tmp/tree")
    assert proc_root({"WATTLAS_PROC_ROOT": ""}) == Path("/proc")


def test_this_machine_can_be_probed() -> None:
    machine = probe_machine()
    assert machine.provenance["caches"]
    assert all(cache.units >= 1 and cache.capacity_bytes >= 1 for cache in machine.caches)
