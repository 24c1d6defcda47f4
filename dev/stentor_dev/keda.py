"""What KEDA and the HorizontalPodAutoscaler do about a rendered ScaledObject, asking a real broker.

After their documentation and sources: KEDA 2.16 and 2.20 (`rabbitmq` trigger with `protocol: http`, between
zero and one), Kubernetes 1.32 (`autoscaling/v2`, between one and the maximum).
"""

import base64
import http.client
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, quote_plus, unquote, urlsplit

Object = dict[str, Any]
Clock = Callable[[], float]
"""Seconds since any moment."""

HPA_SECONDS = 15
"""Between two decisions of the HorizontalPodAutoscaler."""

TOLERANCE = 0.1
"""As a share of the target; what is nearer to it changes nothing."""

PAGE_SIZE = 100
"""Queues that a pattern may match, unless the trigger says otherwise."""


class TriggerFailed(RuntimeError):
    """The broker's API does not tell the length of a queue; the text is what it says."""


@dataclass(frozen=True, slots=True)
class RabbitTrigger:
    """A trigger of type `rabbitmq`, and where it asks."""

    metadata: Mapping[str, str]
    host: str

    @property
    def target(self) -> float:
        """Messages for each pod."""
        return float(self.metadata["value"])

    @property
    def activation(self) -> float:
        """Messages beyond which there is a first pod."""
        return float(self.metadata.get("activationValue", 0))

    def messages(self) -> int:
        """In its queues, those included that are being worked on. Raises TriggerFailed."""
        address = urlsplit(self.host)
        answer = _get(address, self._path(address))
        found = answer["items"] if self._by_pattern else [answer]
        if self._by_pattern and answer["page_count"] > 1:
            raise TriggerFailed("the pattern matches more queues than one page holds")
        ready_only = self.metadata.get("excludeUnacknowledged") == "true"
        # A queue that has just been made has no numbers yet.
        return sum(each.get("messages_ready" if ready_only else "messages", 0) for each in found)

    @property
    def _by_pattern(self) -> bool:
        return self.metadata.get("useRegex") == "true"

    def _path(self, address: SplitResult) -> str:
        *before, vhost = address.path.split("/")
        root = f"{'/'.join(before)}/api/queues/{vhost or '%2F'}"
        name = quote_plus(self.metadata["queueName"])
        if not self._by_pattern:
            return f"{root}/{name}"
        size = self.metadata.get("pageSize", PAGE_SIZE)
        return f"{root}?page=1&use_regex=true&pagination=false&name={name}&page_size={size}"


def _get(address: SplitResult, path: str) -> Any:
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=3)
    credentials = f"{unquote(address.username or '')}:{unquote(address.password or '')}"
    headers = {"Authorization": "Basic " + base64.b64encode(credentials.encode()).decode()}
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        text = answer.read().decode()
    except (OSError, http.client.HTTPException) as error:
        raise TriggerFailed(f"no answer: {error!r}") from error
    finally:
        connection.close()
    if answer.status != http.HTTPStatus.OK:
        raise TriggerFailed(f"{answer.status} {text}")
    return json.loads(text)


@dataclass(slots=True)
class PodAutoscaler:
    """Between one pod and the maximum, by metrics of type AverageValue."""

    minimum: int
    maximum: int
    behavior: Object
    """`scaleUp` and `scaleDown`, each with `stabilizationWindowSeconds` and `policies`."""
    _wanted: list[tuple[float, int]] = field(default_factory=list)
    _changes: list[tuple[float, int]] = field(default_factory=list)

    def decide(self, now: float, current: int, metrics: Sequence[tuple[float, float]]) -> int:
        """How many pods there are to be: of `current`, with the total and the target of each metric."""
        if current == 0:
            return 0
        wanted = max(_by_metric(current, total, target) for total, target in metrics)
        steady = self._steady(now, current, wanted)
        decided = self._within_policies(now, current, steady)
        if decided != current:
            self._changes.append((now, decided - current))
        return decided

    def _steady(self, now: float, current: int, wanted: int) -> int:
        """The least that was wanted within the window of going up, the most within that of going down."""
        self._wanted.append((now, wanted))

        def within(way: str) -> list[int]:
            window = self.behavior[way]["stabilizationWindowSeconds"]
            return [each for at, each in self._wanted if at >= now - window]

        return min(max(current, min(within("scaleUp"))), max(within("scaleDown")))

    def _within_policies(self, now: float, current: int, wanted: int) -> int:
        if wanted > current:
            limits = [self._limit(now, current, each, 1) for each in self.behavior["scaleUp"]["policies"]]
            wanted = min(wanted, max(current, *limits))
        elif wanted < current:
            limits = [self._limit(now, current, each, -1) for each in self.behavior["scaleDown"]["policies"]]
            wanted = max(wanted, min(current, *limits))
        return min(max(wanted, self.minimum), self.maximum)

    def _limit(self, now: float, current: int, policy: Object, way: int) -> int:
        recent = sum(change for at, change in self._changes if at > now - policy["periodSeconds"])
        start = current - recent
        if policy["type"] == "Pods":
            return start + way * int(policy["value"])
        grown = start * (1 + way * policy["value"] / 100)
        return math.ceil(grown) if way > 0 else int(grown)


def _by_metric(current: int, total: float, target: float) -> int:
    return current if abs(1 - total / (target * current)) <= TOLERANCE else math.ceil(total / target)


class Keda:
    """One ScaledObject, looked at whenever `turn` is called."""

    def __init__(
        self, scaled: Object, authentications: Sequence[Object], secret: Mapping[str, str], clock: Clock
    ) -> None:
        """`authentications` are the TriggerAuthentications that its triggers name, `secret` what is behind
        them."""
        spec = scaled["spec"]
        self.target: str = spec["scaleTargetRef"]["name"]
        """The Deployment."""
        self._minimum: int = spec["minReplicaCount"]
        self._poll_seconds: float = spec["pollingInterval"]
        self._cooldown_seconds: float = spec["cooldownPeriod"]
        self.triggers = [_trigger(each, authentications, secret) for each in spec["triggers"]]
        behavior = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
        self._autoscaler = PodAutoscaler(max(1, self._minimum), spec["maxReplicaCount"], behavior)
        self._clock = clock
        self._polled = self._decided = -math.inf
        self._active_at = -math.inf

    def turn(self, replicas: int) -> int:
        """What is due by now, for a Deployment of so many pods; the number that it is to have."""
        now = self._clock()
        if now >= self._polled + self._poll_seconds:
            self._polled = now
            replicas = self._poll(now, replicas)
        if now >= self._decided + HPA_SECONDS:
            self._decided = now
            replicas = self._decide(now, replicas)
        return replicas

    def _poll(self, now: float, replicas: int) -> int:
        """From zero to one, and from any number to zero: KEDA's own part."""
        try:
            active = any(each.messages() > each.activation for each in self.triggers)
        except TriggerFailed:
            return replicas
        if active:
            self._active_at = now
            return replicas or max(1, self._minimum)
        if self._minimum == 0 and now > self._active_at + self._cooldown_seconds:
            return 0
        return max(replicas, self._minimum)

    def _decide(self, now: float, replicas: int) -> int:
        try:
            metrics = [(float(each.messages()), each.target) for each in self.triggers]
        except TriggerFailed:
            return replicas
        return self._autoscaler.decide(now, replicas, metrics)


def _trigger(trigger: Object, authentications: Sequence[Object], secret: Mapping[str, str]) -> RabbitTrigger:
    name = trigger["authenticationRef"]["name"]
    (references,) = [
        each["spec"]["secretTargetRef"] for each in authentications if each["metadata"]["name"] == name
    ]
    told = {each["parameter"]: secret[each["key"]] for each in references}
    metadata = trigger["metadata"]
    assert (trigger["type"], metadata["protocol"], metadata["mode"]) == ("rabbitmq", "http", "QueueLength")
    return RabbitTrigger(metadata, told["host"])
