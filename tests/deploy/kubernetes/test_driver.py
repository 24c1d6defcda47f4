"""Models as pods: their commands run for real, as processes that a cluster on this machine starts."""

import asyncio
import json
import sys
from collections.abc import Callable

import pytest

from stentor_common.store.s3 import S3Store
from stentor_deploy.errors import LoadFailed, ModelFailed, ModelLost, ModelTooSlow
from stentor_deploy.running import Fleet, Limits, LogLine, Payload, Replica, RunSpec
from stentor_deploy.running.kubernetes.cluster import DEPLOYMENT, Cluster
from stentor_deploy.running.kubernetes.driver import KubernetesDriver
from stentor_deploy.running.kubernetes.manifests import name_of
from stentor_deploy.running.kubernetes.settings import KubernetesSettings
from stentor_dev.cluster import LocalCluster
from stentor_dev.servers import Servers

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(sys.platform != "linux", reason="pods need loopback addresses of their own"),
]

Gateway = Callable[[], KubernetesDriver]
Revision = Callable[..., RunSpec]

DOUBLES = """
import os, time

class Model:
    def __init__(self, config, secrets):
        self.config, self.secrets = config, secrets

    def load(self):
        print("loaded")

    def predict(self, asked):
        print("asked for", asked)
        if asked == "who":
            told = {"secret": self.secrets["key"], "mode": os.environ["MODE"]}
            return told | {"store": "STENTOR_STORE_URL" in os.environ}
        if asked == "write":
            open(os.environ["TMPDIR"] + "/scratch.txt", "w").close()
            return os.path.exists("/scratch") or os.getcwd().endswith("package")
        if asked == "end":
            os._exit(3)
        if asked == "hang":
            time.sleep(60)
        return [2 * one for one in asked]

    def parts(self, asked):
        yield from range(asked)
"""


GREEDY = """
import time

class Model:
    def predict(self, asked):
        kept = bytearray(asked)
        time.sleep(9)
        return len(kept)
"""

TALKS = """
import os

class Model:
    def predict(self, asked):
        return os.write(1, b"x" * asked)
"""

FAILS = """
class Model:
    def load(self):
        raise RuntimeError("no weights")

    def predict(self, asked):
        return asked
"""


async def until(fleet: Fleet, there: Callable[[], bool], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not there():
            await fleet.changed()


async def ready(fleet: Fleet, count: int = 1) -> Replica:
    await until(fleet, lambda: len(fleet.ready) >= count)
    return fleet.ready[0]


async def ask(replica: Replica, asked: object, seconds: float = 10) -> object:
    payload = Payload(json.dumps(asked).encode())
    answer = await replica.predict(payload, seconds=seconds, request_id="r-1")
    return json.loads(answer.body)


async def test_a_model_answers_out_of_its_pod(
    gateway: Gateway,
    revision: Revision,
    local_cluster: LocalCluster,
    tell: LogLine,
    printed: list[tuple[str, str]],
) -> None:
    spec = revision(DOUBLES, secrets={"key": "private"}, variables={"MODE": "$(POD_IP)"})
    fleet = await gateway().fleet(spec, tell)
    await fleet.scale(1)
    replica = await ready(fleet)

    assert replica.loaded.methods == ("parts",)
    assert await ask(replica, [1, 2]) == [2, 4]
    assert await ask(replica, "who") == {"secret": "private", "mode": "$(POD_IP)", "store": False}
    assert await ask(replica, "write") is True
    joined = await replica.predict_batch([Payload(b"[1]"), Payload(b"[2, 3]")], seconds=10)
    assert [one.body for one in joined if isinstance(one, Payload)] == [b"[2]", b"[4,6]"]
    streamed = [part.body async for part in replica.stream(Payload(b"3"), seconds=10, method="parts")]
    assert streamed == [b"0", b"1", b"2"]
    assert await replica.healthy()
    assert fleet.trouble is None

    await soon(lambda: ("asked for [1, 2]", "r-1") in printed)
    assert ("loaded", "") in printed

    await fleet.scale(0)
    await until(fleet, lambda: not fleet.ready)
    await soon(lambda: not local_cluster.pods())


async def soon(true: Callable[[], bool]) -> None:
    """What a cluster does has no event to wait for here."""
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_files_come_from_a_store_that_pods_reach_over_the_network(
    connect: Callable[[], Cluster],
    kubernetes_settings: KubernetesSettings,
    servers: Servers,
    revision: Revision,
    tell: LogLine,
) -> None:
    url = servers.store_url()
    driver = KubernetesDriver(connect(), kubernetes_settings, await S3Store.open(url), url)
    fleet = await driver.fleet(revision(DOUBLES), tell)
    await fleet.scale(1)
    assert await ask(await ready(fleet), [5]) == [10]
    await driver.close()


async def test_output_without_an_end_of_line_is_told_in_pieces(
    gateway: Gateway, revision: Revision, tell: LogLine, printed: list[tuple[str, str]]
) -> None:
    fleet = await gateway().fleet(revision(TALKS), tell)
    await fleet.scale(1)
    await ask(await ready(fleet), 300_000)
    await soon(lambda: len(printed) >= 4)
    assert max(len(line) for line, _ in printed) <= 64 * 1024


async def test_a_model_whose_process_ends_is_started_again(
    gateway: Gateway, revision: Revision, tell: LogLine
) -> None:
    fleet = await gateway().fleet(revision(DOUBLES), tell)
    await fleet.scale(1)
    replica = await ready(fleet)
    with pytest.raises(ModelLost):
        await ask(replica, "end")
    await until(fleet, lambda: bool(fleet.trouble))
    assert str(fleet.trouble) == "the model's process ended with status 3"

    again = await ready(fleet)
    assert await ask(again, [4]) == [8]
    assert fleet.restarts == 1
    assert fleet.trouble is None


async def test_a_call_that_does_not_end_ends_with_its_pod(
    gateway: Gateway, revision: Revision, tell: LogLine, local_cluster: LocalCluster
) -> None:
    fleet = await gateway().fleet(revision(DOUBLES), tell)
    await fleet.scale(1)
    replica = await ready(fleet)
    before = local_cluster.pods()[0]["metadata"]["name"]
    with pytest.raises(ModelTooSlow):
        await ask(replica, "hang", seconds=0.1)
    await until(fleet, lambda: bool(fleet.ready) and fleet.ready[0].id != before)
    assert await ask(fleet.ready[0], [4]) == [8]


async def test_why_a_model_does_not_load_is_told(gateway: Gateway, revision: Revision, tell: LogLine) -> None:
    source = (
        "class Model:\n    def load(self):\n        raise RuntimeError('no weights')\n    predict = load\n"
    )
    fleet = await gateway().fleet(revision(source), tell)
    await fleet.scale(1)
    await until(fleet, lambda: isinstance(fleet.trouble, LoadFailed))
    assert "no weights" in str(fleet.trouble)
    assert not fleet.ready


async def test_a_model_that_takes_too_much_memory_is_ended_and_that_is_said(
    gateway: Gateway, revision: Revision, tell: LogLine
) -> None:
    limits = Limits(memory_bytes=100 * 1024**2, threads=1)
    fleet = await gateway().fleet(revision(GREEDY, limits=limits), tell)
    await fleet.scale(1)
    replica = await ready(fleet)
    with pytest.raises((ModelLost, ModelFailed)):
        await ask(replica, 300 * 1024**2)
    await until(fleet, lambda: bool(fleet.trouble))
    assert str(fleet.trouble) == "the model used more memory than its 100Mi and was ended"


async def test_several_gateways_share_the_pods_of_a_model(
    gateway: Gateway, revision: Revision, tell: LogLine, local_cluster: LocalCluster
) -> None:
    """A gateway that needs a model no more does not take it from others."""
    spec = revision(DOUBLES)
    here, there = await gateway().fleet(spec, tell), await gateway().fleet(spec, tell)
    await here.scale(1)
    await ready(here)
    await there.scale(1)
    while not there.ready:
        await there.changed()
        assert there.trouble is None
    assert len(local_cluster.pods()) == 1
    assert await ask(here.ready[0], [1]) == [2]
    assert await ask(there.ready[0], [2]) == [4]

    await here.close()
    assert await ask(there.ready[0], [3]) == [6]
    await there.close()
    await soon(lambda: not local_cluster.pods())


async def test_new_secrets_reach_a_model_without_an_interruption(
    gateway: Gateway, revision: Revision, tell: LogLine
) -> None:
    spec = revision(DOUBLES, secrets={"key": "old"}, variables={"MODE": ""})
    driver = gateway()
    fleet = await driver.fleet(spec, tell)
    await fleet.scale(1)
    before = await ready(fleet)
    changed = RunSpec(**{name: getattr(spec, name) for name in spec.__slots__} | {"secrets": {"key": "new"}})
    later = await driver.fleet(changed, tell)
    await later.scale(1)

    def replaced() -> bool:
        assert fleet.ready, "there was a moment without any replica"
        return all(replica.id != before.id for replica in fleet.ready)

    await until(fleet, replaced)
    found = await ask(fleet.ready[0], "who")
    assert isinstance(found, dict)
    assert found["secret"] == "new"


async def test_a_revision_that_is_tried_is_not_taken_from_its_callers(
    gateway: Gateway, revision: Revision, tell: LogLine
) -> None:
    """Nor do gateways that begin at the same time stand in each other's way."""
    driver, spec = gateway(), revision(DOUBLES)
    tried, called = await driver.fleet(spec, tell), await driver.fleet(spec, tell)
    await asyncio.gather(tried.scale(1), called.scale(1))
    await ready(tried)
    await ready(called)
    await tried.close()
    assert await ask(called.ready[0], [1]) == [2]
    found = await driver.cluster.read(DEPLOYMENT, name_of(spec.revision))
    assert found is not None
    assert found["spec"]["replicas"] == 1
