"""Routes of the native contract: /v1/deployments and /v1/predictions."""

from fastapi import APIRouter

from stentor_deploy.api import calls, deployments, logs, revisions

ROUTERS: tuple[APIRouter, ...] = (deployments.router, revisions.router, logs.router, calls.router)
FILE_ROUTERS: tuple[APIRouter, ...] = (deployments.file_router, revisions.file_router)
RAW_ROUTERS: tuple[APIRouter, ...] = (calls.raw_router,)
