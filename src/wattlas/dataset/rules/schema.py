"""Rules about the schema: names, types, units and version, as `dataset.schema` writes them."""

from collections.abc import Iterator

import pyarrow as pa

from wattlas.dataset.rules.rule import Finding, listed, rule
from wattlas.dataset.rules.subject import Subject

_VERSION = b"wattlas.schema_version"


@rule("schema-version", "every table says the schema version that this Wattlas reads")
def _version(subject: Subject) -> Finding:
    def version(schema: pa.Schema) -> bytes | None:
        return (schema.metadata or {}).get(_VERSION)

    wrong = [n for n, t in subject.arrow.items() if version(t.schema) != version(subject.schemas[n])]
    return listed(len(subject.arrow), wrong)


@rule("columns", "every table has every column of its schema, once")
def _columns(subject: Subject) -> Finding:
    expected = [(t, field.name) for t in subject.arrow for field in subject.schemas[t]]
    missing = [f"{t}.{name}" for t, name in expected if subject.arrow[t].schema.names.count(name) != 1]
    return listed(len(expected), missing)


@rule("types", "every column has the type that its schema gives")
def _types(subject: Subject) -> Finding:
    pairs = list(_pairs(subject))
    return listed(len(pairs), [name for name, found, asked in pairs if not found.type.equals(asked.type)])


@rule("units", "every column says its unit and its meaning in the Arrow metadata, the unit of its schema")
def _units(subject: Subject) -> Finding:
    def wrong(found: pa.Field, asked: pa.Field) -> bool:
        said = found.metadata or {}
        return not said.get(b"meaning") or said.get(b"unit") != (asked.metadata or {}).get(b"unit")

    pairs = list(_pairs(subject))
    extra = [
        f"{t}.{field.name}"
        for t, table in subject.arrow.items()
        for field in table.schema
        if field.name not in subject.schemas[t].names and not (field.metadata or {}).get(b"meaning")
    ]
    return listed(
        len(pairs) + len(extra), [name for name, found, asked in pairs if wrong(found, asked)] + extra
    )


def _pairs(subject: Subject) -> Iterator[tuple[str, pa.Field, pa.Field]]:
    for name, table in subject.arrow.items():
        for asked in subject.schemas[name]:
            for i in table.schema.get_all_field_indices(asked.name):
                yield f"{name}.{asked.name}", table.schema.field(i), asked
