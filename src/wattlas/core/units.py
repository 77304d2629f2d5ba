"""SI inside; other units are converted once, where a value enters or is shown."""

import math

JOULES_PER_KWH = 3.6e6
JOULES_PER_WH = 3.6e3
BYTES_PER_KIB = 1024
BYTES_PER_MIB = 1024**2
BYTES_PER_GIB = 1024**3

_PREFIXES = (
    (1e9, "G"),
    (1e6, "M"),
    (1e3, "k"),
    (1.0, ""),
    (1e-3, "m"),
    (1e-6, "µ"),
    (1e-9, "n"),
    (1e-12, "p"),
)


def format_si(value: float, unit: str, digits: int = 4) -> str:
    """A number with an SI prefix and at most `digits` significant digits.

    >>> format_si(0.0123456, "J")
    '12.35 mJ'
    """
    if not math.isfinite(value):
        return f"{value} {unit}"
    # A value that rounds up to 1000 of a prefix belongs to the next one.
    magnitude = abs(float(f"{value:.{digits}g}"))
    for factor, prefix in _PREFIXES:
        if magnitude >= factor:
            return f"{value / factor:.{digits}g} {prefix}{unit}"
    return f"0 {unit}" if value == 0 else f"{value:.{digits}g} {unit}"


def format_energy(energy_j: float, digits: int = 4) -> str:
    """Joules below 1 MJ, kilowatt-hours from there on.

    >>> format_energy(7.2e6)
    '2 kWh'
    """
    if math.isfinite(energy_j) and abs(energy_j) >= 1e6:
        return f"{energy_j / JOULES_PER_KWH:.{digits}g} kWh"
    return format_si(energy_j, "J", digits)


def format_energy_u(energy_j: float, u_energy_j: float, k: float = 2.0) -> str:
    """An energy with its expanded uncertainty to two digits and the coverage factor.

    >>> format_energy_u(12.345, 0.61)
    '12.3 ± 1.2 J (k=2)'
    """
    kwh = abs(energy_j) >= 1e6
    scale, unit = (JOULES_PER_KWH, "kWh") if kwh else (1.0, "J")
    if not kwh:
        for factor, prefix in _PREFIXES:
            if abs(energy_j) >= factor:
                scale, unit = factor, f"{prefix}J"
                break
    value, expanded = energy_j / scale, k * u_energy_j / scale
    if not math.isfinite(expanded) or expanded <= 0:
        return f"{value:.4g} {unit} (uncertainty unknown)"
    decimals = max(0, 1 - math.floor(math.log10(expanded)))
    return f"{value:.{decimals}f} ± {expanded:.{decimals}f} {unit} (k={k:g})"


def format_bytes(n_bytes: float) -> str:
    """Bytes in binary units.

    >>> format_bytes(25952256)
    '24.75 MiB'
    """
    for factor, unit in ((BYTES_PER_GIB, "GiB"), (BYTES_PER_MIB, "MiB"), (BYTES_PER_KIB, "KiB")):
        if n_bytes >= factor:
            return f"{n_bytes / factor:.4g} {unit}"
    return f"{n_bytes:.0f} B"


def format_duration(duration_s: float) -> str:
    """A duration as a person says it: milliseconds, seconds, or minutes and hours.

    >>> format_duration(4000)
    '1 h 06 min'
    """
    if duration_s < 1:
        return f"{duration_s * 1e3:.3g} ms"
    if duration_s < 60:
        return f"{duration_s:.3g} s"
    minutes, seconds = divmod(round(duration_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {seconds:02d} s"
