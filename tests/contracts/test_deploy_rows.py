"""What is kept of deployments in a database: their revisions, what these say, who used them."""

import uuid
from datetime import timedelta

import pytest

from stentor_common.auth import Caller
from stentor_common.clock import ManualClock
from stentor_common.db import Database
from stentor_common.errors import Conflict, NotFound
from stentor_common.sealing import Sealer
from stentor_common.settings import Settings
from stentor_deploy.logs import Line, LogKind, LogRepository
from stentor_deploy.repository import DeploymentRepository, RevisionRepository
from stentor_deploy.secrets import SecretRepository
from stentor_deploy.serving.usage import Used
from stentor_deploy.states import RevisionState
from stentor_deploy.tables import Deployment, DeploymentSecret, Revision
from stentor_deploy.usage import UsageRepository

OWNER = Caller("203.0.113.9", uuid.uuid4())
OTHER = Caller("203.0.113.9", uuid.uuid4())


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


async def deployed(db: Database, clock: ManualClock, name: str = "iris", revisions: int = 1) -> Deployment:
    now = clock.now()
    deployment = Deployment(
        id=uuid.uuid4(),
        name=name,
        owner_id=OWNER.need_user(),
        public=False,
        traffic={},
        traffic_before={},
        settings={},
        changed=uuid.uuid4(),
        created_at=now,
        updated_at=now,
    )
    async with db.transaction() as session:
        DeploymentRepository(session).add(deployment)
        await session.flush()
        repository = RevisionRepository(session)
        for _ in range(revisions):
            number = await repository.next_number(deployment.id)
            revision = Revision(
                id=uuid.uuid4(),
                deployment_id=deployment.id,
                number=number,
                state=RevisionState.queued,
                source={},
                created_at=now,
                updated_at=now,
            )
            await repository.add(revision, now)
    return deployment


async def of(db: Database, deployment: Deployment) -> list[Revision]:
    async with db.reading() as session:
        return list(await RevisionRepository(session).of(deployment.id))


async def test_a_deployment_is_found_by_name_and_id_by_its_owner(db: Database, clock: ManualClock) -> None:
    made = await deployed(db, clock)
    async with db.transaction() as session:
        deployments = DeploymentRepository(session)
        for name in ("iris", str(made.id)):
            assert (await deployments.owned(name, OWNER, to_change=True)).id == made.id
            with pytest.raises(NotFound):
                await deployments.owned(name, OTHER)
            with pytest.raises(NotFound):
                await deployments.callable(name, OTHER)
        for name in ("rose", str(uuid.uuid4()), "\x01" * 99):
            with pytest.raises(NotFound):
                await deployments.find(name)


async def test_a_change_is_seen_by_others(db: Database, clock: ManualClock) -> None:
    made = await deployed(db, clock)
    async with db.reading() as session:
        before = await DeploymentRepository(session).changes()
    async with db.transaction() as session:
        await DeploymentRepository(session).touch(made.id, clock.now())
    async with db.reading() as session:
        after = await DeploymentRepository(session).changes()
    assert before.keys() == after.keys() == {made.id}
    assert before != after


async def test_revisions_are_counted_up_and_named_by_number_or_id(db: Database, clock: ManualClock) -> None:
    made = await deployed(db, clock, revisions=3)
    await deployed(db, clock, name="rose")
    revisions = await of(db, made)
    assert [each.number for each in revisions] == [1, 2, 3]
    async with db.reading() as session:
        repository = RevisionRepository(session)
        assert (await repository.named(made, "2")).id == revisions[1].id
        assert (await repository.named(made, str(revisions[1].id))).number == 2
        for unknown in ("4", "x", "99999999999", str(uuid.uuid4())):
            with pytest.raises(NotFound):
                await repository.named(made, unknown)
        newest = await repository.newest([made.id])
    assert newest[made.id].number == 3


async def test_a_revision_moves_along_its_states_and_says_when(db: Database, clock: ManualClock) -> None:
    [revision] = await of(db, await deployed(db, clock))
    for state in (RevisionState.building, RevisionState.building, RevisionState.loading, RevisionState.ready):
        clock.advance(seconds=1)
        async with db.transaction() as session:
            await RevisionRepository(session).move(revision.id, state, clock.now(), code="c", message="m")
    async with db.reading() as session:
        events = await RevisionRepository(session).events(revision.id)
        [ready] = await RevisionRepository(session).ready([revision.deployment_id])
    assert [event.state for event in events] == ["queued", "building", "building", "loading", "ready"]
    assert events[-1].at - events[0].at == timedelta(seconds=4)
    assert (ready.id, ready.reason_code) == (revision.id, "c")
    with pytest.raises(Conflict, match="is ready and cannot become building"):
        async with db.transaction() as session:
            await RevisionRepository(session).move(revision.id, RevisionState.building, clock.now())


async def test_a_job_that_another_took_the_place_of_says_nothing(db: Database, clock: ManualClock) -> None:
    [revision] = await of(db, await deployed(db, clock))
    async with db.transaction() as session:
        repository, other = RevisionRepository(session), uuid.uuid4()
        with pytest.raises(Conflict):
            await repository.move(revision.id, RevisionState.building, clock.now(), by=other)


async def test_the_newest_lines_are_kept(db: Database, clock: ManualClock) -> None:
    [revision] = await of(db, await deployed(db, clock))
    gone = uuid.uuid4()

    def lines(kind: LogKind, *numbers: int, of: uuid.UUID = revision.id) -> list[Line]:
        return [Line(of, kind, clock.now(), "stdout", None, str(number)) for number in numbers]

    async with db.transaction() as session:
        logs = LogRepository(session)
        await logs.add(
            lines(LogKind.run, *range(10)) + lines(LogKind.build, 99) + lines(LogKind.run, 1, of=gone)
        )
        await logs.trim(revision.id, LogKind.run, 4)
    async with db.reading() as session:
        logs = LogRepository(session)
        kept = await logs.tail([revision.id], LogKind.run, 100)
        assert [each.line for each in kept] == ["6", "7", "8", "9"]
        assert [each.line for each in await logs.tail([revision.id], LogKind.run, 2)] == ["8", "9"]
        assert [each.line for each in await logs.after([revision.id], LogKind.run, kept[1].id)] == ["8", "9"]
        assert [each.line for each in await logs.tail([revision.id, gone], LogKind.build, 9)] == ["99"]


async def test_use_is_added_up_by_the_hour(db: Database, clock: ManualClock) -> None:
    made = await deployed(db, clock)
    [revision] = await of(db, made)
    hour = clock.now().replace(minute=0, second=0, microsecond=0)

    def used(caller: Caller, calls: int) -> Used:
        return Used(made.id, revision.id, caller.user_id, None, calls=calls, failed=1, seconds=0.5)

    for used_now in ([used(OWNER, 2), used(OTHER, 3)], [used(OWNER, 5), used(Caller("x"), 1)]):
        async with db.transaction() as session:
            await UsageRepository(session).add(hour, used_now)
    async with db.transaction() as session:
        await UsageRepository(session).add(hour + timedelta(hours=1), [used(OWNER, 1)])
    async with db.reading() as session:
        hours = await UsageRepository(session).by_hour([revision.id], hour)
        later = await UsageRepository(session).by_hour([revision.id], hour + timedelta(minutes=1))
    assert [(each.hour, each.calls, each.errors, each.seconds) for each in hours] == [
        (hour, 11, 4, 2.0),
        (hour + timedelta(hours=1), 1, 1, 0.5),
    ]
    assert [each.calls for each in later] == [1]


async def test_secrets_are_kept_sealed_and_replaced_by_name(
    db: Database, clock: ManualClock, settings: Settings
) -> None:
    made = await deployed(db, clock)
    sealer = Sealer(settings)
    for values in ({"A": "first", "B": "other"}, {"A": "second", "B": None}):
        async with db.transaction() as session:
            await SecretRepository(session, sealer).put(made.id, values, clock.now())
    async with db.reading() as session:
        assert await SecretRepository(session, sealer).opened(made.id) == {"A": "second"}
        kept = await session.get(DeploymentSecret, (made.id, "A"))
        assert kept
        assert "second" not in kept.sealed


async def test_what_hangs_on_a_deployment_goes_with_it(db: Database, clock: ManualClock) -> None:
    made = await deployed(db, clock, revisions=2)
    revisions = await of(db, made)
    used = [Used(made.id, each.id, None, None, calls=1, failed=0, seconds=1) for each in revisions]
    async with db.transaction() as session:
        await UsageRepository(session).add(clock.now(), used)
        await DeploymentRepository(session).delete(made.id)
    assert await of(db, made) == []
    async with db.reading() as session:
        assert await RevisionRepository(session).events(revisions[0].id) == []
        assert await RevisionRepository(session).environments() == set()
