"""What a prediction is made of: idle power, launches, computing, and traffic by the level that it lies in.

The law's costs sum to the energy. Each is the machine's whole draw while it lasts; the share that the machine
would have drawn idle as well is taken out of all of them alike, as `idle`. Bytes are dealt to levels by where
their working set lies (`spill`): those of the parameters with b, activations with l, inputs with d.
"""

import numpy as np

from wattlas.model.features import Features, Vector
from wattlas.model.law import columns, evaluate_law, parts_of
from wattlas.model.machine_model import MachineModel
from wattlas.model.spill import lies_in

LAUNCH = ("step", "device_step", "layer", "sync", "epoch")
COMPUTE = ("flop",)


def attribute(m: MachineModel, f: Features) -> dict[str, Vector]:
    """Energy per datum, J, by cause: idle, launch, compute, then each level of memory; they sum to the whole.

    Where the machine's idle power is not known, idle is 0 and the other causes hold it.
    """
    c = columns(m.law, f)
    energy = evaluate_law(m.law, m.x, c)[0]
    idle = np.zeros(len(f)) if m.timing is None else m.timing.idle_energy(m.law, c, energy)
    parts = parts_of(m.law, m.x, c)
    names = [level.name for level in m.law.levels]
    causes = {cause: np.zeros(len(f)) for cause in ("launch", "compute", *names)}
    where = lies_in(m.law.levels, f)
    for name, part in parts.items():
        if name in LAUNCH:
            causes["launch"] += part
        elif name in COMPUTE:
            causes["compute"] += part
        else:
            traffic, _, level = name.partition("_beyond_")
            nearest = names.index(level) + 1 if level else 0
            shares = where[traffic][:, nearest:]
            total = shares.sum(axis=1)
            for name_, share in zip(names[nearest:], shares.T, strict=True):
                # Of a cost beyond a level that nothing lies beyond, there is nothing to deal out.
                causes[name_] += part * np.divide(share, total, out=np.zeros(len(f)), where=total > 0)
    dynamic = 1 - idle / energy
    return {"idle": idle, **{cause: part * dynamic for cause, part in causes.items()}}
