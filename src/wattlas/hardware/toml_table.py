"""Strict reading of one TOML table: every key once, of its type, and none left over."""

import math
from collections.abc import Mapping, Sequence

from wattlas.core.errors import DataError


class TomlTable:
    """A table being read. `where` is the file and `path` the key that holds the table, for messages."""

    def __init__(self, values: Mapping[str, object], where: str, path: str) -> None:
        self._left = dict(values)
        self._where, self._path = where, path

    def text(self, key: str) -> str:
        """A string that is not empty."""
        value = self._take(key)
        if not isinstance(value, str) or not value.strip():
            raise self._wrong(key, value, "text")
        return value

    def choice(self, key: str, choices: Sequence[str]) -> str:
        """One of some strings."""
        value = self._take(key)
        if value not in choices:
            raise self._wrong(key, value, " or ".join(choices))
        return str(value)

    def whole(self, key: str) -> int:
        """A whole number of at least 1."""
        value = self._take(key)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise self._wrong(key, value, "a whole number of at least 1")
        return value

    def number(self, key: str) -> float:
        """A positive, finite number."""
        value = self._take(key)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not (0 < float(value) < math.inf):  # type: ignore[arg-type]
            raise self._wrong(key, value, "a positive number")
        return float(value)  # type: ignore[arg-type]

    def optional_number(self, key: str) -> float | None:
        """A positive number, or None where the key is absent."""
        return self.number(key) if key in self._left else None

    def table(self, key: str) -> "TomlTable":
        """A table below this one."""
        value = self._take(key)
        if not isinstance(value, dict):
            raise self._wrong(key, value, "a table")
        return TomlTable(value, self._where, self._full(key))

    def optional_table(self, key: str) -> "TomlTable | None":
        """A table below this one, or None where the key is absent."""
        return self.table(key) if key in self._left else None

    def tables(self, key: str, required: bool = True) -> list["TomlTable"]:
        """An array of tables below this one; empty if absent and not required."""
        if not required and key not in self._left:
            return []
        value = self._take(key)
        if not isinstance(value, list) or not value or not all(isinstance(v, dict) for v in value):
            raise self._wrong(key, value, f"[[{self._full(key)}]] tables")
        return [TomlTable(v, self._where, f"{self._full(key)}[{i}]") for i, v in enumerate(value)]

    def done(self) -> None:
        """Refuse keys that were not asked for."""
        if self._left:
            key = next(iter(self._left))
            raise DataError(
                f"{self._where}: unknown key {self._full(key)}; remove it or correct its spelling"
            )

    def _take(self, key: str) -> object:
        if key not in self._left:
            raise DataError(f"{self._where}: {self._full(key)} is missing; add it")
        return self._left.pop(key)

    def _full(self, key: str) -> str:
        return f"{self._path}.{key}" if self._path else key

    def _wrong(self, key: str, value: object, wanted: str) -> DataError:
        return DataError(f"{self._where}: {self._full(key)} is {value!r}; it must be {wanted}")
