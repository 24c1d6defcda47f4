"""One factory for every web process: one service in a pod, all of them in the all-in-one."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from fastapi_offline import FastAPIOffline
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException

from stentor_common import catalog_api, health
from stentor_common.auth import Authenticator
from stentor_common.errors import AppError
from stentor_common.front import AskFronts
from stentor_common.http_metrics import MeasureHttp
from stentor_common.jobs import api as jobs_api
from stentor_common.jobs import deferred_api
from stentor_common.jobs.answer import ClientGone
from stentor_common.middleware import QUIET, CatchCrash, LimitBody, RequestLog, StripSlash
from stentor_common.problems import (
    ErrorBody,
    ErrorStyle,
    Problem,
    envelope,
    from_app_error,
    from_http,
    from_validation,
)
from stentor_common.runtime import Runtime
from stentor_common.service import Service
from stentor_common.webhooks import api as webhooks_api

TITLE, VERSION = "Stentor", "1"
FORM_SLACK_BYTES = 2 * 1024 * 1024
"""What a form may hold beside its file."""


def create_app(runtime: Runtime, services: Sequence[Service], authenticator: Authenticator) -> FastAPI:
    """The web application of these services on this runtime, which stays the caller's to close."""
    # The reference page works without a network, and tells nobody who reads it.
    app = FastAPIOffline(
        redoc_url=None,
        static_url="/docs/files",
        title=TITLE,
        version=VERSION,
        redirect_slashes=False,
        responses={"default": {"model": ErrorBody, "description": "What is wrong, and what to do"}},
    )
    app.state.runtime = runtime
    app.state.authenticator = authenticator
    app.state.settings = {type(own): own for own in (service.settings for service in services) if own}
    app.state.resources = {type(each): each for service in services for each in service.resources}
    app.state.services = services
    for service in services:
        for router in (*service.file_routers, *service.raw_routers, *service.routers):
            app.include_router(router)
    shared = (jobs_api, deferred_api, webhooks_api, catalog_api, health)
    for router in (each.router for each in shared):
        app.include_router(router)
    _measure(app, runtime)
    _render_errors(app, {prefix: style for s in services for prefix, style in s.error_styles.items()})
    # The last one added is the first to see a request.
    largest = runtime.settings.max_upload_bytes + FORM_SLACK_BYTES
    app.add_middleware(
        LimitBody,
        usual=runtime.settings.max_body_bytes,
        forms=dict.fromkeys(_paths(router for s in services for router in s.file_routers), largest),
        raw=dict.fromkeys(_paths(router for s in services for router in s.raw_routers), largest),
    )
    app.add_middleware(StripSlash)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=["*"],
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=["*"],
    )
    app.add_middleware(RequestLog)
    if fronts := [front for service in services for front in service.fronts]:
        app.add_middleware(AskFronts, fronts=fronts, metrics=runtime.metrics)
    app.openapi = lambda: openapi(app)  # type: ignore[method-assign]
    return app


def create_probe_app(runtime: Runtime) -> FastAPI:
    """What a worker answers to: probes and metrics."""
    app = FastAPI(title=TITLE, openapi_url=None, redirect_slashes=False)
    app.state.runtime = runtime
    app.include_router(health.router)
    _show_metrics(app, runtime)
    return app


def openapi(app: FastAPI) -> dict[str, Any]:
    """The HTTP contract, with the spellings in which a credential may be sent."""
    if app.openapi_schema is None:
        found = get_openapi(title=TITLE, version=VERSION, routes=app.routes)
        schemes = found.setdefault("components", {}).setdefault("securitySchemes", {})
        schemes["bearer"] = {"type": "http", "scheme": "bearer"}
        schemes["accessToken"] = {"type": "apiKey", "in": "header", "name": "x-access-token"}
        _drop_validation_errors(found)
        found["security"] = [{}, {"bearer": []}, {"accessToken": []}]
        app.openapi_schema = found
    return app.openapi_schema


def _drop_validation_errors(document: dict[str, Any]) -> None:
    """The framework announces its own answer to a bad request; ours is the same as to any error."""
    for methods in document["paths"].values():
        for operation in methods.values():
            operation["responses"].pop("422", None)
    for name in ("HTTPValidationError", "ValidationError"):
        document["components"].get("schemas", {}).pop(name, None)


def _paths(routers: Iterable[APIRouter]) -> list[str]:
    routes = (route for router in routers for route in router.routes)
    return [route.path for route in routes if isinstance(route, APIRoute)]


def _measure(app: FastAPI, runtime: Runtime) -> None:
    app.add_middleware(MeasureHttp, metrics=runtime.metrics, but=QUIET)
    _show_metrics(app, runtime)


def _show_metrics(app: FastAPI, runtime: Runtime) -> None:
    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(generate_latest(runtime.metrics.registry), media_type=CONTENT_TYPE_LATEST)


def _render_errors(app: FastAPI, styles: Mapping[str, ErrorStyle]) -> None:
    """All errors pass here; the path says whose words they are told in."""
    longest_first = sorted(styles, key=len, reverse=True)

    def render(request: Request, problem: Problem) -> Response:
        path = request.url.path
        prefix = next((prefix for prefix in longest_first if path.startswith(prefix)), None)
        request_id = request.scope.get("state", {}).get("request_id", "")
        problem = replace(problem, path=path, request_id=request_id)
        return styles[prefix](problem) if prefix else envelope(problem)

    async def app_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, AppError)
        return render(request, from_app_error(error))

    async def http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return render(request, from_http(error.status_code, error.detail, error.headers))

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return render(request, from_validation(error))

    async def gone(_request: Request, _error: Exception) -> Response:
        # Nobody reads it; the log shows why there was no answer.
        return Response(status_code=499)

    def crash(request: Request) -> Response:
        request_id = request.scope.get("state", {}).get("request_id", "")
        message = f"something went wrong on our side; the log knows it as request {request_id}"
        return render(request, Problem(500, "internal", message))

    app.add_exception_handler(AppError, app_error)
    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(ClientGone, gone)
    app.add_middleware(CatchCrash, render=crash)
