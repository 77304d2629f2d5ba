"""GPUs on the PCI bus, from sysfs; the NVIDIA driver's `/proc` files add model names where it is loaded."""

from collections import Counter
from pathlib import Path

from wattlas.hardware.machine import Gpu
from wattlas.probe.files import read_text

# Display adapters of other vendors are consoles (BMC, hypervisor), on which nothing is trained.
_VENDORS = {"0x10de": "NVIDIA", "0x1002": "AMD", "0x8086": "Intel"}
# PCI classes: 03 display controller, 12 processing accelerator.
_CLASSES = ("0x03", "0x12")


def gpus(sysfs: Path, proc: Path) -> tuple[tuple[Gpu, ...], str]:
    """Kinds of GPUs with their number, and where that comes from. Memory is known for AMD cards only."""
    devices = sysfs / "bus" / "pci" / "devices"
    kinds: Counter[tuple[str, int | None]] = Counter()
    for device in sorted(devices.glob("*")):
        vendor, pci_class = read_text(device / "vendor"), read_text(device / "class")
        if vendor not in _VENDORS or not (pci_class or "").startswith(_CLASSES):
            continue
        identifier = f"{vendor[2:]}:{(read_text(device / 'device') or '0x????')[2:]}"
        model = _nvidia_model(proc, device.name) or f"{_VENDORS[vendor]} [{identifier}]"
        memory = read_text(device / "mem_info_vram_total") or ""
        kinds[model, int(memory) if memory.isdigit() and int(memory) > 0 else None] += 1
    found = tuple(Gpu(model, count, memory) for (model, memory), count in kinds.items())
    if not devices.is_dir():
        return (), f"not known: there is no {devices}"
    unknown = "; memory is not told there" if any(gpu.memory_bytes is None for gpu in found) else ""
    return found, f"{devices}: vendor and class{unknown}"


def _nvidia_model(proc: Path, address: str) -> str | None:
    text = read_text(proc / "driver" / "nvidia" / "gpus" / address / "information") or ""
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "Model" and value.strip():
            return f"NVIDIA {value.strip().removeprefix('NVIDIA ')}"
    return None
