"""What Prometheus is told: requests, jobs, waiting, running, sound."""

from dataclasses import dataclass
from functools import partial

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
    _of_process(registry)
    counter, gauge = partial(Counter, registry=registry), partial(Gauge, registry=registry)
    spread = partial(Histogram, registry=registry)
    requests, seconds, seconds_of_all = _of_http(registry)
    return Metrics(
        registry=registry,
        http_requests=requests,
        http_seconds=seconds,
        http_seconds_of_all=seconds_of_all,
        jobs_created=counter("stentor_jobs_created", "Jobs accepted.", ["kind"]),
        jobs_finished=counter("stentor_jobs_finished", "Jobs that ended, by outcome.", ["kind", "state"]),
        jobs_running=gauge("stentor_jobs_running", "Jobs that this process runs now.", ["kind"]),
        jobs_active=gauge(
            "stentor_jobs_active",
            "Jobs in the database that wait or run, as last seen by the process that sweeps.",
            ["queue", "state"],
        ),
        queue_wait=spread(
            "stentor_job_queue_wait_seconds",
            "From accepting a job to its first run.",
            ["kind"],
            buckets=SECONDS,
        ),
        run_time=spread("stentor_job_run_seconds", "One run of a job.", ["kind"], buckets=SECONDS),
        media_seconds=counter(
            "stentor_media_seconds", "Seconds of sound understood or made.", ["kind", "model"]
        ),
        real_time_factor=spread(
            "stentor_real_time_factor",
            "Seconds of work for a second of sound.",
            ["kind", "model"],
            buckets=FACTORS,
        ),
        webhooks=counter(
            "stentor_webhook_attempts",
            "Attempts to deliver a webhook, by its state afterwards: pending will be tried again.",
            ["style", "state"],
        ),
        batch_pieces=spread(
            "stentor_batch_pieces", "Pieces of sound that a model heard at once.", ["model"], buckets=BATCHES
        ),
        pieces_waiting=gauge(
            "stentor_pieces_waiting",
            "Pieces of sound that wait for their turn at a model of this process.",
            ["model"],
        ),
    )


def _of_process(registry: CollectorRegistry) -> None:
    ProcessCollector(registry=registry)
    # Told by every process, busy or idle: that it is missing is how one knows that nobody is there.
    Gauge("stentor_up", "1, as long as the process runs.", registry=registry).set(1)


def _of_http(registry: CollectorRegistry) -> tuple[Counter, Histogram, Histogram]:
    spread = partial(Histogram, registry=registry)
    return (
        Counter("http_requests", "Requests.", ["method", "status", "handler"], registry=registry),
        spread(
            "http_request_duration_seconds",
            "From a request to the end of its answer.",
            ["method", "handler"],
            buckets=COARSE,
        ),
        spread("http_request_duration_highr_seconds", "The same, of all requests together.", buckets=FINE),
    )
