"""Figures for Prometheus: numbers, ids and kinds, never words."""

import time
from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from bot import campaigns
from bot.recorder import Recorder

# https://prometheus.io/docs/instrumenting/exposition_formats/
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# Matching takes milliseconds, sending tens of them; a full chat or a slow network seconds.
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class _Lost(Collector):
    """Asks storage, which counts for itself, whenever the figures are asked for."""

    def __init__(self, lost: Callable[[], int]) -> None:
        self._lost = lost

    def collect(self) -> Iterator[CounterMetricFamily]:
        yield CounterMetricFamily("clinic_faq_lost_records", "Records that storage did not take.", self._lost())


class Metrics(Recorder):
    """Counts what the bot does, in a registry of its own."""

    def __init__(self, lost: Callable[[], int] = lambda: 0) -> None:
        """`lost` is asked how many records storage did not take."""
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._replies = self._counter("replies", "Replies sent to utterances.", "kind", "entry")
        self._errors = self._counter("errors", "What went wrong, by the type of the error.", "kind")
        self._seen_twice = self._counter("updates_seen_twice", "Updates that came again when already handled.")
        self.registry.register(_Lost(lost))
        self._refusals = self._counter("webhook_refusals", "Calls of the webhook that were refused.", "reason")
        self._visits = self._counter("contact_visits", "Visits of the counted contact link.", "campaign")
        self._seconds = Histogram(
            "clinic_faq_update_seconds",
            "From an update's arrival to the end of its handling.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.problems = 0
        problems = self._gauge("faq_problems", "Problems that keep the saved FAQ from going live.")
        problems.set_function(lambda: self.problems)
        self._last_update: float | None = None
        self._gauge("last_update_age_seconds", "Since the last update arrived.").set_function(self.age_of_last_update)
        self._campaigns: set[str] = set()

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(f"clinic_faq_{name}", meaning, labels, registry=self.registry)

    def _gauge(self, name: str, meaning: str) -> Gauge:
        return Gauge(f"clinic_faq_{name}", meaning, registry=self.registry)

    def arrived(self) -> None:
        """An update arrived."""
        self._last_update = time.monotonic()

    def seen_twice(self) -> None:
        """An update arrived that is handled, or being handled, already."""
        self._seen_twice.inc()

    def handled(self, seconds: float) -> None:
        """The handling of an update ended, well or not, so long after it arrived."""
        self._seconds.observe(seconds)

    def replied(self, kind: str, entry_id: str | None, seconds: float) -> None:
        """A reply of this kind was sent."""
        self._replies.labels(kind, entry_id or "").inc()

    def failed(self, kind: str) -> None:
        """Something went wrong, of this kind."""
        self._errors.labels(kind).inc()

    def refused(self, reason: str) -> None:
        """A call of the webhook was refused for this reason."""
        self._refusals.labels(reason).inc()

    def visited(self, campaign: str) -> None:
        """The counted contact link was followed, perhaps in a campaign."""
        name = campaigns.campaign(campaign)
        if name and name not in self._campaigns and len(self._campaigns) >= campaigns.MOST:
            name = campaigns.OTHER
        elif name:
            self._campaigns.add(name)
        self._visits.labels(name).inc()

    def problems_found(self, problems: int) -> None:
        """The saved FAQ has so many problems."""
        self.problems = problems

    def age_of_last_update(self) -> float:
        """Return how many seconds ago the last update arrived; no number when none did yet."""
        return time.monotonic() - self._last_update if self._last_update is not None else float("nan")

    def text(self) -> bytes:
        """Return all figures as Prometheus reads them."""
        return generate_latest(self.registry)
