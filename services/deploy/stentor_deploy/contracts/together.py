"""All contracts by which deployed models are called, as one thing that a service is put together from."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter

from stentor_common.jobs.deferred import Whole
from stentor_common.jobs.table import Job
from stentor_common.problems import ErrorStyle
from stentor_common.runtime import Runtime
from stentor_common.webhooks import CallbackStyle
from stentor_deploy import predictions
from stentor_deploy.contracts import algorithmcloud, octoai, truss
from stentor_deploy.contracts.openinference import api as openinference
from stentor_deploy.contracts.openinference import predict_v1
from stentor_deploy.settings import DeploySettings

CONTRACTS = (octoai, openinference, predict_v1, algorithmcloud, truss)
"""Each has a `router`, a `raw_router` for bodies of any type, or both; one that has its own words for errors
`ERROR_STYLES`, by path prefix; one that has its own words for webhooks `CALLBACKS`, by style; one that has
its own words for answers that are read later `ANSWERS`, by the contract that the prediction names."""


@dataclass(frozen=True, slots=True)
class Contracts:
    routers: Sequence[APIRouter]
    raw_routers: Sequence[APIRouter]
    error_styles: Mapping[str, ErrorStyle]
    callbacks: Mapping[str, CallbackStyle]
    answers: Mapping[str, Whole]
    resources: Sequence[object]
    close: Callable[[], Awaitable[None]]

    async def answer(self, runtime: Runtime, job: Job) -> Any:
        """What whoever waited for a prediction would have got, in the words of the contract it came by."""
        told = self.answers.get(predictions.Prediction.of(job).contract, predictions.whole)
        return await told(runtime, job)


def open_contracts(settings: DeploySettings) -> Contracts:
    """To be closed by `close`."""
    downloads = algorithmcloud.Downloads(settings)
    return Contracts(
        routers=[each.router for each in CONTRACTS if hasattr(each, "router")],
        raw_routers=[each.raw_router for each in CONTRACTS if hasattr(each, "raw_router")],
        error_styles=_all("ERROR_STYLES"),
        callbacks=_all("CALLBACKS"),
        answers=_all("ANSWERS"),
        resources=[openinference.Signatures(), downloads],
        close=downloads.close,
    )


def _all(name: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for contract in CONTRACTS:
        found |= getattr(contract, name, {})
    return found
