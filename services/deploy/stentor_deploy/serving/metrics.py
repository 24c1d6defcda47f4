"""What Prometheus is told about calls to models."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128)
REVISION = ["deployment", "revision"]


class ServingMetrics:
    """Belongs to a gateway, which may be made before there is a registry."""

    def __init__(self) -> None:
        self.calls = Counter(
            "stentor_model_calls", "Calls, by how they ended.", [*REVISION, "outcome"], registry=None
        )
        self.seconds = Histogram(
            "stentor_model_call_seconds",
            "From a call to its answer, waiting included.",
            REVISION,
            buckets=SECONDS,
            registry=None,
        )
        self.batches = Histogram(
            "stentor_model_batch_calls",
            "Calls that a model did at once.",
            REVISION,
            buckets=BATCHES,
            registry=None,
        )
        self.waiting = Gauge(
            "stentor_model_calls_waiting", "Calls whose turn has not come.", REVISION, registry=None
        )
        self.replicas = Gauge(
            "stentor_model_replicas", "Replicas that can be called.", REVISION, registry=None
        )

    def register(self, registry: CollectorRegistry) -> None:
        """Show them there. Raises ValueError when those of another gateway are."""
        for each in (self.calls, self.seconds, self.batches, self.waiting, self.replicas):
            registry.register(each)

    def of(self, deployment: str, number: int) -> "RevisionMetrics":
        return RevisionMetrics(self, deployment, str(number))


class RevisionMetrics:
    """Those of one revision, without looking them up at each call."""

    def __init__(self, metrics: ServingMetrics, deployment: str, number: str) -> None:
        self._metrics, self._labels = metrics, (deployment, number)
        self._ended: dict[str, Counter] = {}
        self.seconds = metrics.seconds.labels(*self._labels)
        self.batches = metrics.batches.labels(*self._labels)

    def ended(self, outcome: str) -> None:
        """`outcome` is `ok`, or the code of an error."""
        counter = self._ended.get(outcome)
        if counter is None:
            counter = self._ended[outcome] = self._metrics.calls.labels(*self._labels, outcome)
        counter.inc()

    def watch(self, waiting: Callable[[], float], replicas: Callable[[], float]) -> None:
        """Have these asked whenever somebody looks."""
        self._metrics.waiting.labels(*self._labels).set_function(waiting)
        self._metrics.replicas.labels(*self._labels).set_function(replicas)

    def unwatch(self) -> None:
        """Its replicas are gone; what was counted stays."""
        for gauge in (self._metrics.waiting, self._metrics.replicas):
            gauge.remove(*self._labels)
