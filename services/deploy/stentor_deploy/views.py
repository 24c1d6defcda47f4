"""Deployments, revisions and predictions as the native contract shows them."""

from collections.abc import Mapping, Sequence
from typing import Any

from stentor_common.jobs.schemas import view_fields
from stentor_common.jobs.table import Job
from stentor_common.runtime import Runtime
from stentor_common.webhooks import STANDARD, CallbackStyle
from stentor_common.webhooks.events import event, link
from stentor_deploy import revisions
from stentor_deploy.environments import Lock
from stentor_deploy.packages import Package
from stentor_deploy.predictions import KIND, Answered, Prediction, answer_of, as_json
from stentor_deploy.schemas import (
    DeploymentView,
    EventView,
    HourView,
    PredictionView,
    Reason,
    RevisionDetail,
    RevisionUse,
    RevisionView,
    ServingView,
    SourceView,
)
from stentor_deploy.serving.gateway import Gateway
from stentor_deploy.serving.status import ServingStatus
from stentor_deploy.sources import Source
from stentor_deploy.states import RevisionState
from stentor_deploy.tables import Deployment, Revision, RevisionEvent
from stentor_deploy.trials import Trial
from stentor_deploy.tuning import Tuning
from stentor_deploy.usage import Hour

PREFIX = "/v1/deployments"


def deployment_view(
    deployment: Deployment,
    latest: Revision,
    serving: Sequence[Revision],
    gateway: Gateway,
    base: str,
) -> DeploymentView:
    """`serving` are the revisions that get calls, `base` is how the caller reaches us."""
    tuning = Tuning.of(deployment)
    return DeploymentView(
        id=deployment.id,
        object="deployment",
        name=deployment.name,
        description=deployment.description,
        public=deployment.public,
        status=_status(latest, serving, gateway),
        traffic=dict(sorted(deployment.traffic.items(), key=lambda each: int(each[0]))),
        min_replicas=tuning.min_replicas,
        max_replicas=tuning.max_replicas,
        idle_seconds=tuning.idle_seconds,
        predict_seconds=tuning.predict_seconds,
        latest=revision_view(deployment, latest, gateway),
        predict_url=f"{base}{PREFIX}/{deployment.name}/predict",
        created_at=deployment.created_at,
        updated_at=deployment.updated_at,
    )


def _status(latest: Revision, serving: Sequence[Revision], gateway: Gateway) -> str:
    """The best that any of those can say that get calls."""
    states = [str(gateway.status(each.id).state) for each in serving]
    best = ("ready", "waking", "idle", "unhealthy")
    return next((state for state in best if state in states), str(latest.state))


def revision_view(deployment: Deployment, revision: Revision, gateway: Gateway) -> RevisionView:
    return RevisionView(**_fields(deployment, revision, gateway))


def revision_detail(
    deployment: Deployment, revision: Revision, gateway: Gateway, events: Sequence[RevisionEvent]
) -> RevisionDetail:
    history = [
        EventView(at=each.at, status=each.state, code=each.code, message=each.message) for each in events
    ]
    return RevisionDetail(**_fields(deployment, revision, gateway), history=history)


def _fields(deployment: Deployment, revision: Revision, gateway: Gateway) -> dict[str, Any]:
    ready = revision.state == RevisionState.ready
    return {
        "id": revision.id,
        "object": "deployment.revision",
        "number": revision.number,
        "status": revision.state,
        "reason": _reason(revision),
        "percent": deployment.traffic.get(str(revision.number), 0),
        "created_at": revision.created_at,
        "updated_at": revision.updated_at,
        "ready_at": revision.ready_at,
        "used_at": revision.used_at,
        "job_id": revision.job_id,
        "source": SourceView.model_validate(Source.model_validate(revision.source)),
        **_package_fields(revision),
        **_trial_fields(revision),
        "serving": serving_view(gateway.status(revision.id)) if ready else None,
    }


def _reason(revision: Revision) -> Reason | None:
    if not (revision.reason_code or revision.reason):
        return None
    return Reason(code=revision.reason_code, message=revision.reason, details=revision.details)


def _package_fields(revision: Revision) -> dict[str, Any]:
    package = Package.model_validate(revision.package) if revision.package else None
    lock = Lock.model_validate(revision.lock) if revision.lock else None
    trial = Trial.model_validate(revision.trial) if revision.trial else Trial()
    notes = [*(package.notes if package else ()), *(lock.notes if lock else ()), *trial.notes]
    return {
        "format": package.format if package else None,
        "framework": package.framework if package else None,
        "secrets": list(package.secrets) if package else [],
        "concurrency": package.concurrency if package else None,
        "python": lock.python if lock else None,
        "requirements": list(lock.lines) if lock else [],
        "notes": notes,
    }


def _trial_fields(revision: Revision) -> dict[str, Any]:
    tried = Trial.model_validate(revision.trial) if revision.trial else None
    trial = tried or Trial()
    return {
        "methods": list(trial.methods),
        "streams": trial.streams,
        "batch": trial.batch,
        "batching": trial.batching if tried else None,
        "load_seconds": trial.load_seconds if tried else None,
        "memory_bytes": trial.memory_bytes if tried else None,
        "isolation": list(trial.isolation),
        "not_isolated": trial.not_isolated,
    }


def serving_view(status: ServingStatus) -> ServingView:
    return ServingView(
        state=status.state,
        replicas=status.replicas,
        in_flight=status.in_flight,
        waiting=status.waiting,
        restarts=status.restarts,
        memory_bytes=status.memory_bytes,
        trouble=status.trouble.message if status.trouble else None,
    )


def use_view(revision: Revision, hours: Sequence[Hour], status: ServingStatus) -> RevisionUse:
    return RevisionUse(
        revision=revision.number,
        revision_id=revision.id,
        calls=sum(each.calls for each in hours),
        errors=sum(each.errors for each in hours),
        seconds=sum(each.seconds for each in hours),
        hours=[
            HourView(hour=each.hour, calls=each.calls, errors=each.errors, seconds=each.seconds)
            for each in hours
        ],
        serving=serving_view(status),
    )


def prediction_view(job: Job, position: int | None, answered: Answered | None) -> PredictionView:
    asked = Prediction.of(job)
    return PredictionView(
        object="prediction",
        deployment=asked.name,
        output=as_json(answered.payload) if answered else None,
        revision=answered.number if answered else None,
        seconds=answered.seconds if answered else None,
        warnings=list(answered.payload.warnings) if answered else [],
        webhook_url=asked.webhook_url,
        **view_fields(job, position),
    )


async def _told_prediction(runtime: Runtime, job: Job) -> Mapping[str, Any]:
    view = prediction_view(job, None, await answer_of(runtime, job))
    links = {"self": link(runtime, f"/v1/predictions/{job.id}")}
    return event("prediction", job, {**view.model_dump(mode="json"), "links": links})


async def _told_build(runtime: Runtime, job: Job) -> Mapping[str, Any]:
    """Whether a revision is ready, or why it is not."""
    done = job.result or {}
    data = {
        **view_fields(job, None),
        "revision_id": job.request["revision_id"],
        "revision": done.get("revision"),
        "deployment_id": done.get("deployment_id"),
        "state": done.get("state"),
    }
    shown = {name: _plain(value) for name, value in data.items()}
    links = {"self": link(runtime, f"/v1/jobs/{job.id}")}
    return event("deployment", job, {**shown, "links": links})


def _plain(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    return value if value is None or isinstance(value, int | float) else str(value)


async def _told(runtime: Runtime, job: Job) -> Mapping[str, Any]:
    by_kind = {KIND: _told_prediction, revisions.KIND: _told_build}
    return await by_kind[job.kind](runtime, job)


CALLBACKS = {STANDARD: CallbackStyle(_told)}
