"""Units, errors, clocks and content ids: what every other layer stands on."""
