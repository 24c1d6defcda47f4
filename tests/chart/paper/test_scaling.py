"""A pool follows the length of its queues: the rendered ScaledObject, real queues, real pods, and a clock of
its own, since an autoscaler waits for minutes."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from stentor_common.jwt import generate_pem
from stentor_dev import helm
from stentor_dev.keda import HPA_SECONDS, Keda, RabbitTrigger, TriggerFailed
from stentor_dev.paper.calls import secret_of, sound, state
from stentor_dev.paper.cluster import PaperCluster
from stentor_dev.patience import eventually
from stentor_dev.rabbitmq import RabbitMq
from stentor_dev.servers import Servers

pytestmark = [pytest.mark.live, pytest.mark.timeout(180)]

Object = dict[str, Any]
WORKER = "stentor-worker-whisper"
MOST, JOBS_EACH, COOLDOWN_SECONDS = 2, 4, 300


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


class Pool:
    """The pool's Deployment, and who decides how many pods it has."""

    def __init__(self, cluster: PaperCluster, keda: Keda, clock: Clock, trigger: RabbitTrigger) -> None:
        self._cluster, self._keda, self._clock, self._trigger = cluster, keda, clock, trigger

    @property
    def pods(self) -> int:
        return len(self._cluster.pods[WORKER])

    def after(self, seconds: float) -> int:
        """Pods when that much time has passed, in which nothing else happens."""
        end = self._clock.now + seconds
        while self._clock.now < end:
            self._clock.now = min(self._clock.now + HPA_SECONDS, end)
            self._cluster.scale(WORKER, self._keda.turn(self.pods))
        return self.pods

    def knows_of(self, jobs: int) -> None:
        """Wait until the broker has counted so many, waiting and running."""
        eventually(lambda: self._trigger.messages() == jobs, seconds=30)


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Two models, each with a queue of its own. Their names hold what names of queues do not."""
    folder = tmp_path_factory.mktemp("scaling")
    for name, slow in (("a:quick.json", 0.3), ("slow.json", 10)):
        (folder / name).write_text(json.dumps({"texts": ["Hello."], "seconds_per_audio_second": slow}))
    return [str(path) for path in sorted(folder.iterdir())]


@pytest.fixture(scope="module")
def objects(scripts: list[str]) -> list[Object]:
    scaling = {
        "enabled": True,
        "min": 0,
        "max": MOST,
        "jobsPerPod": JOBS_EACH,
        "cooldownSeconds": COOLDOWN_SECONDS,
    }
    off = ("tts", "summarize", "pipelines", "deploy")
    values = {
        "secrets": {"existing": "servers"},
        "drainSeconds": 1,
        "settings": {
            "STENTOR_ANONYMOUS_JOBS_PER_MINUTE": 0,
            "STENTOR_HEARTBEAT_SECONDS": 0.3,
            "STENTOR_STT_ENGINE": "scripted",
        },
        "services": {
            "auth": {"replicas": 1},
            "stt": {"models": scripts, "replicas": 1},
            **{name: {"enabled": False} for name in off},
        },
        "pools": {"whisper": {"autoscaling": scaling, "shutdownSeconds": 5}},
    }
    return helm.render(values=values)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMq]:
    """One whose API does not lag ten seconds behind."""
    started = RabbitMq(tmp_path_factory.mktemp("broker"), statistics_seconds=1)
    started.start()
    yield started
    started.kill()


@pytest.fixture(scope="module")
def secret(servers: Servers, broker: RabbitMq) -> dict[str, str]:
    queue_url = broker.create_vhost("scaling/own")
    vhost = queue_url.rpartition("/")[2]
    # Who looks may do nothing.
    broker.manage("PUT", "/users/keda", {"password": "looks", "tags": "management"})
    broker.manage("PUT", f"/permissions/{vhost}/keda", dict.fromkeys(("configure", "write", "read"), "^$"))
    api = f"http://keda:looks@127.0.0.1:{broker.management_port}/{vhost}"
    return secret_of(servers, generate_pem()) | {"queue-url": queue_url, "broker-api-url": api}


@pytest.fixture(scope="module")
def cluster(start_cluster: Callable[..., PaperCluster], objects: list[Object]) -> PaperCluster:
    return start_cluster(objects)


@pytest.fixture(scope="module")
def watch(objects: list[Object]) -> Callable[..., Keda]:
    """KEDA for the pool: `watch(secret, clock)`."""
    (scaled,) = [each for each in objects if each["kind"] == "ScaledObject"]
    authentications = [each for each in objects if each["kind"] == "TriggerAuthentication"]
    return lambda secret, clock: Keda(scaled, authentications, secret, clock)


@pytest.fixture(scope="module")
def pool(cluster: PaperCluster, watch: Callable[..., Keda], secret: dict[str, str]) -> Pool:
    clock = Clock()
    keda = watch(secret, clock)
    assert keda.target == WORKER
    (trigger,) = keda.triggers
    return Pool(cluster, keda, clock, trigger)


def hear(client: httpx2.Client, model: str, seconds: float) -> str:
    answer = client.post(
        "/v1/transcriptions", files={"file": ("a.wav", sound(seconds))}, data={"model": model}
    )
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def test_a_pool_follows_its_queues(pool: Pool, client: httpx2.Client, scripts: list[str]) -> None:
    quick, slow = scripts
    # A Deployment without a number of its own begins with one pod. That no queue is there yet is no mistake.
    assert pool.pods == 1
    assert pool.after(COOLDOWN_SECONDS + 60) == 0

    # The first job wakes it.
    long = hear(client, slow, 30)
    pool.knows_of(1)
    assert pool.after(30) == 1
    eventually(lambda: state(client, long) == "running")

    # Queues count together: five jobs are more than one pod does, though neither queue has that many.
    others = [hear(client, quick, 2) for _ in range(JOBS_EACH)]
    pool.knows_of(1 + JOBS_EACH)
    assert pool.after(15) == MOST
    eventually(lambda: {state(client, each) for each in others} == {"completed"})

    # Nothing waits, one runs. All but one go; that one stays however long it takes.
    pool.knows_of(1)
    assert pool.after(COOLDOWN_SECONDS) == MOST
    assert pool.after(60) == 1
    assert pool.after(10 * COOLDOWN_SECONDS) == 1
    assert state(client, long) == "running"

    # Idle, it goes after the cooldown and not before.
    client.delete(f"/v1/transcriptions/{long}")
    pool.knows_of(0)
    assert pool.after(COOLDOWN_SECONDS - 30) == 1
    assert pool.after(60) == 0


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("looks@", "writes@"), ("scaling%2Fown", "scaling"), ("127.0.0.1", "127.0.0.2")],
    ids=["password", "virtual host", "address"],
)
def test_while_the_broker_does_not_tell_everybody_stays(
    watch: Callable[..., Keda], secret: dict[str, str], right: str, wrong: str
) -> None:
    api = secret["broker-api-url"]
    assert right in api
    clock = Clock()
    blind = watch(secret | {"broker-api-url": api.replace(right, wrong)}, clock)
    with pytest.raises(TriggerFailed):
        blind.triggers[0].messages()
    for replicas in (0, 1, MOST):
        clock.now += 10 * COOLDOWN_SECONDS
        assert blind.turn(replicas) == replicas
