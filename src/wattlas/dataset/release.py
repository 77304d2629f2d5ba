"""What a person says of a release, beside its tables."""

from dataclasses import asdict, dataclass
from datetime import date
from typing import Any


@dataclass(frozen=True)
class Release:
    """Title, date and version of a release; licence, creators, citation and address where they are given."""

    title: str
    published: date
    version: str = "1.0.0"
    licence: str | None = None
    creators: tuple[str, ...] = ()
    citation: str | None = None
    url: str | None = None

    @property
    def cite_as(self) -> str:
        """The citation given, else one made of creators, year, title and version."""
        by = ", ".join(self.creators) or "Unnamed"
        return self.citation or f"{by} ({self.published.year}). {self.title}, version {self.version}."

    def as_json(self) -> dict[str, Any]:
        """For `dataset.json`."""
        return asdict(self) | {"published": self.published.isoformat(), "creators": list(self.creators)}
