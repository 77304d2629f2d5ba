"""This machine, as the kernel describes it. What it does not tell stays unknown, and `provenance` says so."""

import re
from pathlib import Path

from wattlas.core.roots import proc_root, sysfs_root
from wattlas.hardware.machine import Gpu, Machine, Processor
from wattlas.probe.cpu import caches, models, online_cpus, processors
from wattlas.probe.files import read_text
from wattlas.probe.gpu import gpus

# Firmware of virtual machines, where the CPU itself does not say (ARM has no hypervisor flag).
_VIRTUAL_FIRMWARE = (
    "qemu",
    "kvm",
    "vmware",
    "virtualbox",
    "virtual machine",
    "bochs",
    "google compute",
    "xen",
)
_TRADEMARKS = re.compile(r"\((?:R|TM|C)\)|\bCPU\b|\bProcessor\b|@.*", re.IGNORECASE)


def probe_machine(sysfs: Path | None = None, proc: Path | None = None) -> Machine:
    """Describe the machine whose kernel files lie under `sysfs` and `proc`, by default this one's.

    Power is not probed: no kernel file tells what a node draws when idle or at most.
    """
    sysfs = sysfs_root() if sysfs is None else sysfs
    proc = proc_root() if proc is None else proc
    cpu_dir = sysfs / "devices" / "system" / "cpu"
    cpuinfo = read_text(proc / "cpuinfo")
    online = online_cpus(cpu_dir)
    found_processors, processors_source = processors(cpu_dir, online, models(cpuinfo))
    found_caches, caches_source = caches(cpu_dir, online)
    memory_bytes, memory_source = _memory(proc)
    found_gpus, gpus_source = gpus(sysfs, proc)
    virtual, virtual_source = _virtual(sysfs, proc, cpuinfo)
    as_told = ", as the hypervisor reports it" if virtual else ""
    provenance = {
        "processors": processors_source + as_told,
        "caches": caches_source + as_told,
        "memory_bytes": memory_source + as_told,
        "gpus": gpus_source + as_told,
        "virtual": virtual_source,
        "idle_power_w": "not known: no kernel file tells it",
        "peak_power_w": "not known: no kernel file tells it",
    }
    return Machine(
        name=_name(found_processors, found_gpus, virtual),
        processors=found_processors,
        caches=found_caches,
        memory_bytes=memory_bytes,
        gpus=found_gpus,
        virtual=virtual,
        provenance=provenance,
    )


def _memory(proc: Path) -> tuple[int | None, str]:
    path = proc / "meminfo"
    match = re.search(r"^MemTotal:\s+(\d+) kB$", read_text(path) or "", re.MULTILINE)
    if match is None or int(match[1]) == 0:
        return None, f"not known: {path} has no MemTotal"
    return int(match[1]) * 1024, f"{path}: MemTotal, which leaves out what the kernel reserved at boot"


def _virtual(sysfs: Path, proc: Path, cpuinfo: str | None) -> tuple[bool, str]:
    for line in (cpuinfo or "").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "flags" and "hypervisor" in value.split():
            return True, f"{proc / 'cpuinfo'}: the CPU has the hypervisor flag"
    if hypervisor := read_text(sysfs / "hypervisor" / "type"):
        return True, f"{sysfs / 'hypervisor' / 'type'}: {hypervisor}"
    for name in ("sys_vendor", "product_name"):
        path = sysfs / "class" / "dmi" / "id" / name
        firmware = read_text(path) or ""
        if any(word in firmware.lower() for word in _VIRTUAL_FIRMWARE):
            return True, f"{path}: {firmware}"
    if cpuinfo is None:
        return False, f"no sign of a hypervisor, but {proc / 'cpuinfo'} cannot be read"
    return False, "no hypervisor flag, no hypervisor in sysfs, no virtual firmware"


def _name(kinds: tuple[Processor, ...], cards: tuple[Gpu, ...], virtual: bool) -> str:
    """A name for machines of this kind, the same for all of them: models, cores, GPUs and `vm`."""
    parts = [f"{_TRADEMARKS.sub(' ', kind.model)} {kind.cores}c" for kind in kinds] or ["unknown"]
    parts += [f"{card.count}x {card.model}" for card in cards] + (["vm"] if virtual else [])
    return re.sub(r"[^a-z0-9]+", "-", " ".join(parts).lower()).strip("-")
