"""A release described in Croissant 1.0 (JSON-LD): its files with checksums, its tables with typed columns.

Reference: https://docs.mlcommons.org/croissant/docs/croissant-spec.html
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from wattlas.dataset.release import Release
from wattlas.dataset.rules.files import sha256

CONFORMS_TO = "http://mlcommons.org/croissant/1.0"
_OF_CROISSANT = (
    *("citeAs", "column", "equivalentProperty", "extract", "field", "fileProperty", "fileObject", "fileSet"),
    *("format", "includes", "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "recordSet"),
    *("references", "regex", "repeated", "replace", "samplingRate", "separator", "source", "subField"),
    "transform",
)
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{term: f"cr:{term}" for term in _OF_CROISSANT},
}
_MEDIA_TYPES = {
    ".parquet": "application/x-parquet",
    ".csv": "text/csv",
    ".json": "application/json",
    ".md": "text/markdown",
}
# Keys that make one row; and (table, column) -> the column it points at.
_KEYS: Mapping[str, tuple[str, ...]] = {
    "runs": ("run_id",),
    "epochs": ("run_id", "epoch"),
    "channels": ("run_id", "channel"),
    "nodes": ("node", "date"),
    "experiments": ("experiment_id", "machine", "source", "domain"),
}
_REFERENCES = {(table, "run_id"): "runs/run_id" for table in ("epochs", "channels", "power")}


def croissant(release: Release, description: str, tables: Mapping[str, pa.Schema], folder: Path) -> Any:
    """The JSON-LD document of the release whose files lie in `folder`; `tables` are those of its Parquet."""
    document: dict[str, Any] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "name": release.title,
        "description": description,
        "conformsTo": CONFORMS_TO,
        "version": release.version,
        "datePublished": release.published.isoformat(),
        "url": release.url,
        "license": release.licence,
        "citeAs": release.cite_as,
        "creator": [{"@type": "sc:Person", "name": name} for name in release.creators] or None,
        "distribution": [_file(path) for path in sorted(folder.iterdir())],
        "recordSet": [_record_set(name, schema) for name, schema in tables.items()],
    }
    return {key: value for key, value in document.items() if value is not None}


def _file(path: Path) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": path.name,
        "name": path.name,
        "contentUrl": path.name,
        "contentSize": f"{path.stat().st_size} B",
        "encodingFormat": _MEDIA_TYPES[path.suffix],
        "sha256": sha256(path),
    }


def _record_set(table: str, schema: pa.Schema) -> dict[str, Any]:
    keys = [{"@id": f"{table}/{column}"} for column in _KEYS.get(table, ()) if column in schema.names]
    return {
        "@type": "cr:RecordSet",
        "@id": table,
        "name": table,
        **({"key": keys[0] if len(keys) == 1 else keys} if keys else {}),
        "field": [_column(table, field) for field in schema],
    }


def _column(table: str, field: pa.Field) -> dict[str, Any]:
    said = {key.decode(): value.decode() for key, value in (field.metadata or {}).items()}
    unit = f" [{said['unit']}]" if said.get("unit") else ""
    is_list = pa.types.is_list(field.type)
    points_at = _REFERENCES.get((table, field.name))
    return {
        "@type": "cr:Field",
        "@id": f"{table}/{field.name}",
        "name": f"{table}/{field.name}",
        **({"description": f"{said['meaning']}{unit}"} if "meaning" in said else {}),
        "dataType": _data_type(field.type.value_type if is_list else field.type),
        **({"repeated": True} if is_list else {}),
        **({"references": {"field": {"@id": points_at}}} if points_at else {}),
        "source": {"fileObject": {"@id": f"{table}.parquet"}, "extract": {"column": field.name}},
    }


def _data_type(kind: pa.DataType) -> str:
    for matches, name in (
        (pa.types.is_boolean, "sc:Boolean"),
        (pa.types.is_integer, "sc:Integer"),
        (pa.types.is_floating, "sc:Float"),
        (pa.types.is_date, "sc:Date"),
        (pa.types.is_timestamp, "sc:DateTime"),
    ):
        if matches(kind):
            return name
    return "sc:Text"
