"""Which channels make a run's energy: never two that overlap, never a worse source beside a better one."""

import math

import pytest

from wattlas.campaign.metering import add_energies, primary_channels
from wattlas.meters.base import Channel, Source
from wattlas.power.instrument import Instrument
from wattlas.power.uncertainty import Energy

COUNTER = Instrument("counter", 1e-6, 1e-3, 0.05)


def channel(name: str, source: Source = "measured", inside: str | None = None) -> Channel:
    return Channel(name, name.split(":")[1], COUNTER, source, inside)


@pytest.mark.parametrize(
    ("channels", "chosen"),
    [
        ([channel("rapl:package-0"), channel("rapl:core-0", inside="rapl:package-0")], ["rapl:package-0"]),
        ([channel("rapl:package-0"), channel("rapl:package-1")], ["rapl:package-0", "rapl:package-1"]),
        ([channel("rapl:package-0", inside="rapl:psys"), channel("rapl:psys")], ["rapl:psys"]),
        ([channel("rapl:package-0"), channel("ipmi:node")], ["ipmi:node"]),
        ([channel("modelled:node", "modelled"), channel("rapl:package-0")], ["rapl:package-0"]),
        ([channel("modelled:node", "modelled")], ["modelled:node"]),
        ([channel("replay:node", "simulated"), channel("modelled:node", "modelled")], ["replay:node"]),
    ],
)
def test_primary_channels(channels: list[Channel], chosen: list[str]) -> None:
    assert [c.id for c in primary_channels(channels)] == chosen


def test_siblings_share_their_accuracy_and_nothing_else() -> None:
    a = Energy(10.0, {"accuracy": 1.0, "quantisation": 3.0}, ("wrap",), 0.0, 2.0)
    b = Energy(20.0, {"accuracy": 2.0, "quantisation": 4.0, "gaps": 1.0}, ("wrap", "gap"), 0.0, 2.0)
    total = add_energies([a, b])
    assert total.energy_j == 30.0
    assert dict(total.terms) == {"accuracy": 3.0, "quantisation": 5.0, "gaps": 1.0}
    assert total.flags == ("wrap", "gap")
    assert total.u_energy_j == pytest.approx(math.sqrt(9 + 25 + 1))
    assert add_energies([a]) == a
