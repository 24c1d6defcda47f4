"""What Prometheus is told: requests, jobs, waiting, running, sound."""

from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.process_collector import ProcessCollector

SECONDS = (0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 1800, 7200)
BATCHES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64)
COARSE = (0.1, 0.5, 1)
FINE = (0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5, 7.5, 10, 30, 60)
FACTORS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)


@dataclass(frozen=True, slots=True)
class Metrics:
    registry: CollectorRegistry
    http_requests: Counter
    http_seconds: Histogram
    http_seconds_of_all: Histogram
    jobs_created: Counter
    jobs_finished: Counter
    jobs_running: Gauge
    jobs_active: Gauge
    queue_wait: Histogram
    run_time: Histogram
    media_seconds: Counter
    real_time_factor: Histogram
    webhooks: Counter
    batch_pieces: Histogram
    pieces_waiting: Gauge


def open_metrics() -> Metrics:
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    return Metrics(
        registry=registry,
        http_requests=_http_requests(registry),
        http_seconds=_http_seconds(registry),
        http_seconds_of_all=_http_seconds_of_all(registry),
        jobs_created=Counter("stentor_jobs_created", "Jobs accepted.", ["kind"], registry=registry),
        jobs_finished=Counter(
            "stentor_jobs_finished", "Jobs that ended, by outcome.", ["kind", "state"], registry=registry
        ),
        jobs_running=Gauge(
            "stentor_jobs_running", "Jobs that this process runs now.", ["kind"], registry=registry
        ),
        jobs_active=Gauge(
            "stentor_jobs_active",
            "Jobs in the database that wait or run, as last seen by the process that sweeps.",
            ["queue", "state"],
            registry=registry,
        ),
        queue_wait=Histogram(
            "stentor_job_queue_wait_seconds",
            "From accepting a job to its first run.",
            ["kind"],
            registry=registry,
            buckets=SECONDS,
        ),
        run_time=Histogram(
            "stentor_job_run_seconds", "One run of a job.", ["kind"], registry=registry, buckets=SECONDS
        ),
        media_seconds=Counter(
            "stentor_media_seconds",
            "Seconds of sound understood or made.",
            ["kind", "model"],
            registry=registry,
        ),
        real_time_factor=_real_time_factor(registry),
        webhooks=Counter(
            "stentor_webhook_attempts",
            "Attempts to deliver a webhook, by its state afterwards: pending will be tried again.",
            ["style", "state"],
            registry=registry,
        ),
        batch_pieces=_batch_pieces(registry),
        pieces_waiting=_pieces_waiting(registry),
    )


def _http_requests(registry: CollectorRegistry) -> Counter:
    return Counter("http_requests", "Requests.", ["method", "status", "handler"], registry=registry)


def _http_seconds(registry: CollectorRegistry) -> Histogram:
    return Histogram(
        "http_request_duration_seconds",
        "From a request to the end of its answer.",
        ["method", "handler"],
        registry=registry,
        buckets=COARSE,
    )


def _http_seconds_of_all(registry: CollectorRegistry) -> Histogram:
    return Histogram(
        "http_request_duration_highr_seconds",
        "The same, of all requests together.",
        registry=registry,
        buckets=FINE,
    )


def _real_time_factor(registry: CollectorRegistry) -> Histogram:
    return Histogram(
        "stentor_real_time_factor",
        "Seconds of work for a second of sound.",
        ["kind", "model"],
        registry=registry,
        buckets=FACTORS,
    )


def _batch_pieces(registry: CollectorRegistry) -> Histogram:
    return Histogram(
        "stentor_batch_pieces",
        "Pieces of sound that a model heard at once.",
        ["model"],
        registry=registry,
        buckets=BATCHES,
    )


def _pieces_waiting(registry: CollectorRegistry) -> Gauge:
    return Gauge(
        "stentor_pieces_waiting",
        "Pieces of sound that wait for their turn at a model of this process.",
        ["model"],
        registry=registry,
    )
