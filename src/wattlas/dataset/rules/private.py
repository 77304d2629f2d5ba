"""A rule about what a release must not tell."""

import polars as pl

from wattlas.dataset.private import is_private, suspects, text_columns
from wattlas.dataset.rules.rule import Finding, first, rule
from wattlas.dataset.rules.subject import Subject


@rule("private", "a release has no local path, address of a person or secret in any text")
def _private(subject: Subject) -> Finding:
    finding = Finding()
    for name, frame in {**subject.frames, **subject.other_frames}.items() if subject.is_release else ():
        for column in text_columns(frame):
            told = [text for text in suspects(frame[column]) if is_private(text)]
            texts = pl.col(column)
            if frame.schema[column] == pl.List(pl.String):
                holds = texts.list.eval(pl.element().is_in(told)).list.any()
            else:
                holds = texts.is_in(told)
            broken = frame.filter(holds) if told else frame.clear()
            where = (f"{name}.{column}",) if told else ()
            finding += Finding(frame.height, broken.height, where or first(broken[column]))
    return finding
