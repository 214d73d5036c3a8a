"""Tables in Markdown, which is what every comparison prints."""

from collections.abc import Iterable, Sequence


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table whose first column holds names and whose others hold figures."""
    lines = [titles, ["---", *(["---:"] * (len(titles) - 1))], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def ratio(value: float, to: float) -> str:
    """Return how many times as much a value is."""
    times = value / to
    if times < 0.01:
        return "<×0.01"  # noqa: RUF001  # it is a multiplication
    return f"×{times:.2g}" if times < 10 else f"×{times:.0f}"  # noqa: RUF001
