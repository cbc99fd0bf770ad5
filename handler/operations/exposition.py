"""The figures in Prometheus' formats. Loaded by the first scrape, not before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from handler.operations.metrics import Durations, Metrics


class Exposition:
    """All figures of ``metrics`` and of this process.

    The registry is its own: nothing is global, two applications never meet.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Requests(metrics))
        self._registry.register(_Encoders(metrics))
        self._registry.register(_What(metrics))
        ProcessCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    def text(self, accept: str) -> tuple[bytes, str]:
        """The figures and their content type: OpenMetrics when ``accept`` asks, else plain."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type


class _Requests(Collector):
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        count = CounterMetricFamily(
            "vibe_http_requests",
            "Requests, by the route's template, method and status; 499: the client left.",
            labels=["method", "route", "status"],
        )
        seconds = HistogramMetricFamily(
            "vibe_http_request_duration_seconds",
            "From a request's first line to the last byte of its answer.",
            labels=["method", "route", "status"],
        )
        for (method, route, status), durations in sorted(self._metrics.requests.items()):
            labels = [method, route, str(status)]
            count.add_metric(labels, sum(durations.counts))
            seconds.add_metric(labels, list(_buckets(durations)), durations.total_s)
        yield count
        yield seconds
        yield GaugeMetricFamily(
            "vibe_http_requests_in_progress", "Requests under way.", self._metrics.in_progress
        )


class _Encoders(Collector):
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        depth = GaugeMetricFamily(
            "vibe_encoder_queue_depth", "Queries that wait or run.", labels=["kind"]
        )
        limit = GaugeMetricFamily("vibe_encoder_queue_limit", "How many may.", labels=["kind"])
        rejected = CounterMetricFamily(
            "vibe_encoder_rejected",
            "Queries turned away with 503, since the queue was full.",
            labels=["kind"],
        )
        seconds = HistogramMetricFamily(
            "vibe_encoder_duration_seconds",
            "From a query received to its embedding, waiting for its turn included.",
            labels=["kind"],
        )
        for kind, encoder in self._metrics.encoders.items():
            depth.add_metric([kind], encoder.depth())
            limit.add_metric([kind], encoder.limit)
            rejected.add_metric([kind], encoder.rejections)
            durations = encoder.durations
            seconds.add_metric([kind], list(_buckets(durations)), durations.total_s)
        return depth, limit, rejected, seconds


class _What(Collector):
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        yield GaugeMetricFamily("vibe_songs", "Songs in the catalogue.", self._metrics.songs)
        yield InfoMetricFamily(
            "vibe_build", "What runs, over which bundle.", dict(self._metrics.build)
        )


def _buckets(durations: Durations) -> Iterator[tuple[str, float]]:
    """Upper bound and how many took up to that: Prometheus' buckets hold those before them."""
    bounds = [*(str(bound) for bound in durations.bounds_s), "+Inf"]
    return zip(bounds, accumulate(durations.counts), strict=True)
