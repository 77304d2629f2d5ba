"""CPUs, cores, sockets and caches, counted over the whole machine from `<sysfs>/devices/system/cpu`."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from wattlas.hardware.machine import CacheLevel, Processor
from wattlas.probe.files import parse_cpu_list, parse_size_bytes, read_text

_KINDS = {"Data": "data", "Instruction": "instruction", "Unified": "unified"}


def online_cpus(cpu_dir: Path) -> frozenset[int]:
    """Numbers of the CPUs that are online; empty if sysfs does not tell."""
    text = read_text(cpu_dir / "online")
    if text is not None:
        try:
            return parse_cpu_list(text)
        except ValueError:
            return frozenset()
    numbered = (p for p in cpu_dir.glob("cpu[0-9]*") if p.name[3:].isdigit())
    # CPU 0 often has no `online` file: it cannot be taken offline.
    return frozenset(int(p.name[3:]) for p in numbered if read_text(p / "online") != "0")


def models(cpuinfo: str | None) -> Mapping[int, str]:
    """Model name by CPU number, as `/proc/cpuinfo` has it; ARM kernels give part numbers instead of names."""
    found: dict[int, str] = {}
    for block in (cpuinfo or "").split("\n\n"):
        pairs = (line.partition(":") for line in block.splitlines())
        fields = {key.strip(): value.strip() for key, _, value in pairs}
        if not fields.get("processor", "").isdigit():
            continue
        name = fields.get("model name", "")
        if not name and "CPU part" in fields:
            name = f"ARM implementer {fields.get('CPU implementer', '?')} part {fields['CPU part']}"
        if name:
            found[int(fields["processor"])] = name
    return found


def processors(
    cpu_dir: Path, online: frozenset[int], names: Mapping[int, str]
) -> tuple[tuple[Processor, ...], str]:
    """Kinds of processors with sockets and physical cores over the machine, and where that comes from."""
    sockets: dict[str, set[str]] = {}
    cores: dict[str, set[tuple[str, ...]]] = {}
    # One kind of CPU is the rule: its name then holds for a CPU that cpuinfo leaves out as well.
    only = next(iter(set(names.values()))) if len(set(names.values())) == 1 else "unknown"
    for cpu in sorted(online):
        topology = cpu_dir / f"cpu{cpu}" / "topology"
        package, core = read_text(topology / "physical_package_id"), _core(topology, online)
        if package is None or core is None:
            return (), f"not known: {topology} does not tell socket and core"
        model = names.get(cpu, only)
        sockets.setdefault(model, set()).add(package)
        cores.setdefault(model, set()).add((package, *core))
    if not cores:
        return (), f"not known: {cpu_dir} lists no CPU that is online"
    source = f"{cpu_dir}: topology of {len(online)} online CPUs"
    if any("-1" in packages for packages in sockets.values()):
        source += "; sockets are not numbered here: taken as one"
    if not names:
        source += "; the kernel gives no model name"
    found = tuple(Processor(model, len(sockets[model]), len(cores[model])) for model in cores)
    return found, source


def _core(topology: Path, online: frozenset[int]) -> tuple[str, ...] | None:
    """What tells a physical core from the others of its socket: the threads it has, or its number."""
    for name in ("core_cpus_list", "thread_siblings_list"):
        text = read_text(topology / name)
        if text:
            try:
                threads = parse_cpu_list(text) & online
            except ValueError:
                return None
            return tuple(str(cpu) for cpu in sorted(threads)) or None
    core, die = read_text(topology / "core_id"), read_text(topology / "die_id")
    return None if core is None else (die or "", core)


def caches(cpu_dir: Path, online: frozenset[int]) -> tuple[tuple[CacheLevel, ...], str]:
    """Caches, each instance counted once over all CPUs that share it, and where that comes from.

    A level about which the files are incomplete or contradict each other is left out, and the source says so.
    """
    instances: dict[tuple[int, str], set[tuple[int, frozenset[int]]]] = {}
    left_out: dict[str, str] = {}
    broken: dict[int, str] = {}
    for cpu in sorted(online):
        if not any((cpu_dir / f"cpu{cpu}" / "cache").glob("index[0-9]*")):
            broken[cpu] = f"cpu{cpu} describes none"
        for index in sorted((cpu_dir / f"cpu{cpu}" / "cache").glob("index[0-9]*")):
            texts = {k: read_text(index / k) for k in ("level", "type", "size", "shared_cpu_list")}
            label = f"L{texts['level']} {texts['type']}"
            try:
                shared = parse_cpu_list(texts["shared_cpu_list"] or "") & online
                capacity, level = parse_size_bytes(texts["size"] or ""), int(texts["level"] or "")
                kind = _KINDS[texts["type"] or ""]
            except (ValueError, KeyError):
                missing = [k for k, text in texts.items() if text is None]
                broken[cpu] = f"{index} " + (f"has no {missing[0]}" if missing else "is malformed")
                left_out |= {label: broken[cpu]} if texts["level"] and texts["type"] else {}
                continue
            if cpu not in shared:
                left_out[label] = f"{index} does not count its own CPU among those that share it"
            instances.setdefault((level, kind), set()).add((capacity, shared))
    found: list[CacheLevel] = []
    for (level, kind), shares in sorted(instances.items()):
        label = f"L{level} {kind.capitalize()}"
        covered = frozenset().union(*(cpus for _, cpus in shares))
        if sum(len(cpus) for _, cpus in shares) != len(covered):
            left_out[label] = "its CPUs disagree on who shares it"
        # A CPU whose files are broken may have one more of any cache that no other CPU shares with it.
        for cpu in sorted(broken.keys() - covered):
            left_out.setdefault(label, broken[cpu])
        if label in left_out:
            continue
        name = f"L{level}i" if kind == "instruction" else f"L{level}"
        units = Counter(capacity for capacity, _ in shares)
        found += [CacheLevel(name, level, kind, size, units[size]) for size in sorted(units, reverse=True)]
    if not found and not left_out:
        return (), f"not known: {cpu_dir} describes no cache"
    source = f"{cpu_dir}: cache/index* of {len(online)} online CPUs"
    notes = "".join(f"; {label} left out: {why}" for label, why in sorted(left_out.items()))
    return tuple(found), source + notes
