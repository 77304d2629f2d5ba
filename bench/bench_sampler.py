"""What sampling costs: CPU time of a sampler at 10 Hz, and of one read of each meter that is here.

At 10 Hz most of it is the kernel's price of waking a thread from idle, which a virtual machine may make dear:
an idle thread is timed beside it. The sampler's own work is told from CPU time per sample at 500 Hz.
"""

import resource
import tempfile
import threading
import time
from pathlib import Path

from wattlas.core.clock import SystemClock
from wattlas.meters.registry import open_meter
from wattlas.meters.sampler import Sampler

DURATION_S = 20.0
READS = 2000


def powercap(root: Path) -> None:
    """Two sockets with cores and memory, as files."""
    for socket in (0, 1):
        for path, name in (
            (f"{socket}", f"package-{socket}"),
            (f"{socket}:0", "core"),
            (f"{socket}:1", "dram"),
        ):
            folder = root / "class" / "powercap" / f"intel-rapl:{path}"
            folder.mkdir(parents=True)
            (folder / "name").write_text(name)
            (folder / "energy_uj").write_text("123456789")
            (folder / "max_energy_range_uj").write_text("262143328850")


def idle_share() -> float:
    """CPU share of a thread that wakes ten times a second and does nothing: what no sampler can go below."""

    def wake() -> None:
        for _ in range(int(DURATION_S * 10)):
            time.sleep(0.1)

    thread = threading.Thread(target=wake)
    before_s = cpu_s()
    thread.start()
    thread.join()
    return (cpu_s() - before_s) / DURATION_S


def cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    clock = SystemClock()
    print(f"a thread that wakes at 10 Hz and does nothing: {idle_share():.4%} of a core")
    with tempfile.TemporaryDirectory() as folder:
        powercap(Path(folder))
        for url in (f"rapl?root={folder}", "modelled?idle_power_w=20&peak_power_w=60", "fake"):
            meter = open_meter(url, clock)
            begin_s = time.perf_counter()
            for _ in range(READS):
                meter.read()
            read_s = (time.perf_counter() - begin_s) / READS
            sampler = Sampler([meter], 0.1, clock)
            sampler.start()
            before_s = cpu_s()
            time.sleep(DURATION_S)
            share = (cpu_s() - before_s) / DURATION_S
            sampler.stop()
            report = sampler.reports()[0]
            fast = Sampler([meter], 0.002, clock)
            fast.start()
            before_s = cpu_s()
            time.sleep(DURATION_S / 4)
            sample_s = (cpu_s() - before_s) / fast.reports()[0].n_reads
            fast.stop()
            print(
                f"{meter.name}, {len(meter.channels())} channels: {read_s * 1e6:.1f} µs a read; "
                f"{sample_s * 1e6:.0f} µs a sample at 500 Hz, or {sample_s * 10:.3%} of a core at 10 Hz; "
                f"at 10 Hz {share:.3%}; {report.n_reads} reads, late by {report.mean_late_s * 1e3:.2f} ms "
                f"on average, {report.max_late_s * 1e3:.2f} ms at most"
            )


if __name__ == "__main__":
    main()
