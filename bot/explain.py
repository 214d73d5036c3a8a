"""A decision with its reasons, for people and for programs."""

from typing import Any

from faq.reply import Answer, Clarify, Reply, Smalltalk, Urgent

_SHOWN = 5


def as_json(reply: Reply) -> dict[str, Any]:
    """Return the decision in the form that `ask --jsonl` promises."""
    candidates = [{"id": each.entry.id, "score": round(each.score, 4)} for each in reply.ranking.candidates]
    return {
        "kind": reply.kind,
        "id": reply.entry.id if isinstance(reply, Answer) else None,
        "score": candidates[0]["score"],
        "candidates": candidates,
        "cautions": [caution.id for caution in reply.cautions],
    }


def explain(reply: Reply) -> str:
    """Return the decision, how the utterance was read, and the best candidates with what earned their scores."""
    analysis = reply.ranking.analysis
    return "\n".join(
        [
            f"{reply.kind} {_subject(reply)}".rstrip(),
            f"  normalized   {analysis.normalized}",
            f"  read as      {' '.join(analysis.words)}",
            f"  corrections  {', '.join(f'{typed} → {meant}' for typed, meant in analysis.corrections) or 'none'}",
            *([f"  reason       {reply.alarm.reason}"] if isinstance(reply, Urgent) else []),
            f"  cautions     {', '.join(caution.id for caution in reply.cautions) or 'none'}",
            "  candidates",
            *(f"    {c.score:.2f}  {c.entry.id:<30}  “{c.phrasing}”" for c in reply.ranking.candidates[:_SHOWN]),
        ]
    )


def _subject(reply: Reply) -> str:
    match reply:
        case Answer(entry=entry):
            return entry.id
        case Clarify(entries=entries):
            return " | ".join(entry.id for entry in entries)
        case Smalltalk(about=about):
            return about
        case Urgent(alarm=alarm):
            return f"{alarm.kind.id}, by the rule {alarm.rule}: {alarm.score:.2f}, most like “{alarm.example}”"
        case _:
            return ""
