"""Arrow schemas of the tables, with unit and meaning of every field in its metadata."""

from collections.abc import Sequence

import pyarrow as pa

SCHEMA_VERSION = "1"


def _field(name: str, kind: pa.DataType, meaning: str, unit: str = "") -> pa.Field:
    metadata = {"meaning": meaning} | ({"unit": unit} if unit else {})
    return pa.field(name, kind, metadata=metadata)


def _schema(table: str, fields: list[pa.Field]) -> pa.Schema:
    return pa.schema(fields, metadata={"wattlas.table": table, "wattlas.schema_version": SCHEMA_VERSION})


_F8, _I8, _S, _B = pa.float64(), pa.int64(), pa.string(), pa.bool_()
_T = pa.timestamp("us", tz="UTC")

_KEYS = [
    _field("run_id", _S, "content id of experiment, machine and repetition"),
    _field("experiment_id", _S, "content id of the configuration: every training choice but the seed"),
]
_CONFIGURATION = [
    _field("dataset", _S, "training dataset"),
    _field("shape", _S, "width profile"),
    _field("depth", _I8, "weight layers, output included"),
    _field("size", _I8, "target number of trainable parameters"),
    _field("n_parameters", _I8, "number of trainable parameters as built (NTP)"),
    _field("widths", pa.list_(pa.int64()), "layer widths, output included"),
    _field("n_inputs", _I8, "network inputs after encoding"),
    _field("n_outputs", _I8, "network outputs"),
    _field("n_observations", _I8, "rows of the dataset, both splits"),
    _field("n_train_batches", _I8, "training steps in an epoch, the last one possibly partial"),
    _field("n_test_batches", _I8, "test batches in an epoch"),
    _field("loss", _S, "loss function"),
    _field("batch_size", _I8, "data in a training step"),
    _field("epochs", _I8, "epochs trained"),
    _field("learning_rate", _F8, "of Adam"),
    _field("epsilon", _F8, "of Adam"),
    _field("epsilon_convention", _S, "keras: epsilon before bias correction; standard: after"),
    _field("engine", _S, "what trained: jax, numpy, torch, keras"),
]
_PROVENANCE = [
    _field("machine", _S, "kind of machine"),
    _field("source", _S, "measured, modelled or simulated"),
]

RUNS = _schema(
    "runs",
    [
        *_KEYS,
        _field("campaign", _S, "name of the sweep"),
        _field("status", _S, "done, diverged or failed"),
        *_CONFIGURATION,
        *_PROVENANCE,
        _field("node", _S, "host that ran it"),
        _field("repetition", _I8, "0, 1, … within the experiment"),
        _field("seed", _I8, "of weights and shuffling"),
        _field("start_utc", _T, "start of the training window"),
        _field("end_utc", _T, "end of the training window, excluded"),
        _field("start_s", _F8, "start of the window on the node's monotonic clock", "s"),
        _field("end_s", _F8, "end of the window on the node's monotonic clock", "s"),
        _field("duration_s", _F8, "length of the window", "s"),
        _field("energy_j", _F8, "energy of the window at the outermost channel", "J"),
        _field("u_energy_j", _F8, "standard uncertainty of energy_j", "J"),
        _field("idle_energy_j", _F8, "baseline power times duration; null if no baseline is known", "J"),
        _field("compile_energy_j", _F8, "energy of compiling, outside the window", "J"),
        _field("compile_s", _F8, "time of compiling, outside the window", "s"),
        _field("channel", _S, "channel that energy_j was read from"),
        _field("domain", _S, "what that channel bounds"),
        _field("flags", pa.list_(pa.string()), "named conditions that a reader must know"),
        _field("engine_versions", _S, "JSON: versions, layout, epochs a call, padding"),
        _field("threads", _I8, "threads the engine was allowed"),
        _field("affinity", pa.list_(pa.int64()), "CPUs it was pinned to"),
        _field("data_fingerprint", _S, "hash of the encoded data"),
        _field("final_test_loss", _F8, "after the last epoch"),
        _field("best_test_loss", _F8, "lowest of any epoch"),
        _field("attempt", _I8, "1, 2, …: which try this was"),
        _field("error", _S, "traceback of a failed run, else null"),
    ],
)

EPOCHS = _schema(
    "epochs",
    [
        _KEYS[0],
        _field("epoch", _I8, "0 is before the first step"),
        _field("train_loss", _F8, "mean over the epoch's steps"),
        _field("test_loss", _F8, "after the epoch"),
        _field("test_accuracy", _F8, "fraction right; null for regression"),
        _field("end_s", _F8, "monotonic time at which the epoch was over", "s"),
        _field("energy_j", _F8, "cumulative energy since the start of the window", "J"),
        _field("u_energy_j", _F8, "standard uncertainty of energy_j", "J"),
        _PROVENANCE[1],
    ],
)

CHANNELS = _schema(
    "channels",
    [
        _KEYS[0],
        _field("channel", _S, "channel id"),
        _field("domain", _S, "what it bounds"),
        _field("kind", _S, "counter or gauge"),
        _field("contained_in", _S, "channel whose domain contains this one, or null; never sum the two"),
        _field("energy_j", _F8, "energy of the window", "J"),
        _field("u_energy_j", _F8, "standard uncertainty", "J"),
        _field("terms", _S, "JSON: standard uncertainty by cause"),
        _field("flags", pa.list_(pa.string()), "named conditions"),
        _PROVENANCE[1],
    ],
)

POWER = _schema(
    "power",
    [
        _KEYS[0],
        _field("node", _S, "host"),
        _field("channel", _S, "channel id"),
        _field("before_s", _F8, "monotonic time before the read", "s"),
        _field("after_s", _F8, "monotonic time after the read", "s"),
        _field("device_s", _F8, "the device's own time, if it has one", "s"),
        _field("value", _F8, "J for a counter, W for a gauge", "J or W"),
        _field("kind", _S, "counter or gauge"),
        _PROVENANCE[1],
    ],
)

NODES = _schema(
    "nodes",
    [
        _field("node", _S, "host"),
        _field("date", pa.date32(), "UTC day"),
        _PROVENANCE[0],
        _field("machine_json", _S, "JSON: machine description with provenance"),
        _field("idle_power_w", _F8, "baseline power of the primary channel; null if not measured", "W"),
        _field("u_idle_power_w", _F8, "its standard uncertainty", "W"),
        _field("meters_json", _S, "JSON: meters with state, reason, fix, channels and instruments"),
        _PROVENANCE[1],
    ],
)

EXPERIMENTS = _schema(
    "experiments",
    [
        _KEYS[1],
        *_CONFIGURATION,
        *_PROVENANCE,
        _field("domain", _S, "what the energy bounds"),
        _field("n_runs", _I8, "runs with status done"),
        _field("n_diverged", _I8, "runs with status diverged"),
        _field("energy_j", _F8, "median over runs", "J"),
        _field("energy_q25_j", _F8, "lower quartile over runs", "J"),
        _field("energy_q75_j", _F8, "upper quartile over runs", "J"),
        _field("u_energy_j", _F8, "standard uncertainty of the median: instrument and scatter", "J"),
        _field("duration_s", _F8, "median over runs", "s"),
        _field("mean_power_w", _F8, "median energy over median duration", "W"),
        _field("energy_per_datum_j", _F8, "energy_j / (epochs n_train_batches batch_size)", "J"),
        _field("u_energy_per_datum_j", _F8, "its standard uncertainty", "J"),
        _field("flops_per_datum", _F8, "training and test work per training datum, MAC = 1"),
        _field("forward_flops", _F8, "forward work per datum, MAC = 1"),
        _field("backward_flops", _F8, "backward work per datum, MAC = 1"),
        _field("ws_l_bytes", _F8, "working set l, inter-layer", "B"),
        _field("ws_f_bytes", _F8, "working set f, forward pass", "B"),
        _field("ws_b_bytes", _F8, "working set b, backward pass", "B"),
        _field("ws_d_bytes", _F8, "working set d, dataset", "B"),
        _field("ws_l_level", _S, "level of the machine that l lands in; null: fits none"),
        _field("ws_f_level", _S, "level of the machine that f lands in; null: fits none"),
        _field("ws_b_level", _S, "level of the machine that b lands in; null: fits none"),
        _field("ws_d_level", _S, "level of the machine that d lands in; null: fits none"),
        _field("final_test_loss", _F8, "median over runs, after the last epoch"),
        _field("best_test_loss", _F8, "median over runs of the lowest of any epoch"),
    ],
)

TABLES = {
    "runs": RUNS,
    "epochs": EPOCHS,
    "channels": CHANNELS,
    "power": POWER,
    "nodes": NODES,
    "experiments": EXPERIMENTS,
}


def extended(schema: pa.Schema, extra: Sequence[tuple[str, pa.DataType, str, str]]) -> pa.Schema:
    """A schema with further columns (name, type, meaning, unit), which a reader may pass over."""
    return pa.schema([*schema, *(_field(*column) for column in extra)], metadata=schema.metadata)
