"""Summaries as the native contract shows them."""

from typing import Any

from stentor_common.jobs.schemas import view_fields
from stentor_common.jobs.table import Job
from stentor_summarize.engines import Length, Style
from stentor_summarize.schemas import LengthField, SourceView, SummaryView, WarningView
from stentor_summarize.sources import Source
from stentor_summarize.summaries import Found, Summarization

EMPTY: dict[str, Any] = dict.fromkeys(
    (
        *("engine", "kind", "text", "bullets", "headline", "action_items", "decisions"),
        *("words", "passages", "warnings"),
    )
)


def summary_view(job: Job, position: int | None, found: Found | None) -> SummaryView:
    asked = Summarization.of(job.request)
    return SummaryView(
        object="summary",
        provider=asked.provider,
        model=asked.model,
        style=asked.wanted.style,
        length=_length(asked.wanted.length),
        language=found.summary.language if found else asked.wanted.language,
        source=_source(asked.source, found),
        webhook_url=asked.webhook_url,
        **view_fields(job, position),
        **(_result_fields(found, asked.wanted.style) if found else EMPTY),
    )


def _length(length: Length) -> LengthField:
    return LengthField.model_validate({length.unit.value: length.amount})


def _source(source: Source, found: Found | None) -> SourceView:
    return SourceView(
        kind=source.kind,
        name=source.name or None,
        url=source.url,
        form=found.form if found else None,
        pages=found.pages if found else None,
        characters=found.characters if found else None,
        words=found.summary.source_words if found else None,
    )


def _result_fields(found: Found, style: Style) -> dict[str, Any]:
    summary = found.summary
    minutes = style is Style.minutes
    return {
        "engine": summary.engine,
        "kind": summary.kind,
        "text": summary.text,
        "bullets": list(summary.bullets) if style is Style.bullets else None,
        "headline": summary.headline,
        "action_items": list(summary.action_items) if minutes else None,
        "decisions": list(summary.decisions) if minutes else None,
        "words": summary.words,
        "passages": summary.passages,
        "warnings": [
            WarningView(code=each.code, message=each.message, found=list(each.found))
            for each in summary.warnings
        ],
    }
