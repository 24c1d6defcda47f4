"""What goes over the wire for deployments, in the native contract."""

import uuid
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from stentor_common.jobs.schemas import JobError, JobProgress
from stentor_common.jobs.table import JobState
from stentor_common.wire import Wire
from stentor_deploy.packages import Format, Note
from stentor_deploy.serving.status import ServingState
from stentor_deploy.sources import SourceKind
from stentor_deploy.states import RevisionState
from stentor_deploy.trials import Batching, Example

Replicas = Annotated[int, Field(ge=0, le=1000)]
Percent = Annotated[int, Field(ge=0, le=100)]


class Scale(Wire):
    """What may be set of a deployment, and changed at any time. None: as its package or the installation
    says."""

    description: str | None = Field(default=None, max_length=4000)
    public: bool = False
    """Anybody may call it, also without a token."""
    min_replicas: Replicas | None = None
    """Copies that are kept awake; 0 lets it sleep when nobody calls."""
    max_replicas: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Most copies, when many calls wait."""
    idle_seconds: float | None = Field(default=None, gt=0)
    """Put to sleep after so long without a call."""
    predict_seconds: float | None = Field(default=None, gt=0)
    """Longest time of a call."""


class RevisionFields(Wire):
    """What may be said of a package beside its files."""

    git_url: str | None = Field(default=None, max_length=2000)
    """`https://` address of a repository with a package, in place of files."""
    ref: str | None = Field(default=None, max_length=200)
    """Its branch, tag or commit; without it the default branch."""
    framework: str | None = Field(default=None, max_length=64)
    """Of a file of weights: `sklearn`, `pytorch`, `onnx`, `transformers`, …"""
    task: str | None = Field(default=None, max_length=64)
    """Of a transformers model, such as `fill-mask`."""
    requirements: str | list[str] | None = None
    """In place of those of the package: lines of a requirements file, or a list."""
    python: str | None = Field(default=None, pattern=r"^\d+\.\d+$")
    """`3.11`, in place of what the package says."""
    examples: list[Any] | None = Field(default=None, max_length=100)
    """Inputs that it is tried with before it is ready, in place of those of the package."""
    expected: list[Any] | None = Field(default=None, max_length=100)
    """The answers to these, in the same order: with others it does not become ready."""
    secrets: dict[str, str | None] = Field(default_factory=dict, repr=False)
    """Names to values, for the model. Kept encrypted, never shown."""
    network: bool = False
    """Whether the model may reach other machines, where the installation allows that."""
    allow_mismatch: bool = False
    """Take other versions of libraries than it was saved with, and other answers than expected."""
    allow_cpu: bool = False
    """Run without the accelerator that it names."""
    promote: bool = True
    """Give it all calls as soon as it is ready."""
    webhook_url: str | None = Field(default=None, max_length=2048)
    """Told of the end of its build, see webhooks."""


class DeploymentFields(Scale, RevisionFields):
    """A new deployment."""

    name: str | None = Field(default=None, max_length=200)
    """a-z, 0-9 and `-`; without it after the file, or the repository."""


class RevisionChoice(Wire):
    revision: int | str
    """Its number, or its id."""

    def named(self) -> str:
        return str(self.revision)


class Traffic(Wire):
    traffic: dict[str, Percent] = Field(min_length=1, max_length=20)
    """Number (or id) of a revision to its percent of calls; together 100."""


class Reason(Wire):
    code: str | None
    message: str | None
    details: str | None
    """The traceback, where there is one."""


class EventView(Wire):
    at: datetime
    status: RevisionState
    code: str | None
    message: str | None


class ServingView(Wire):
    """As this process serves it."""

    state: ServingState
    """`idle` is asleep: the first call wakes it."""
    replicas: int
    in_flight: int
    waiting: int
    restarts: int
    """How often it ended by itself since it was woken."""
    memory_bytes: int
    trouble: str | None


class SourceView(Wire):
    kind: SourceKind
    filename: str | None
    size_bytes: int | None
    sha256: str | None
    git_url: str | None
    ref: str | None


class RevisionView(Wire):
    id: uuid.UUID
    object: Literal["deployment.revision"]
    number: int
    status: RevisionState
    """`ready` can be called."""
    reason: Reason | None
    """Why it failed, or what it waits for."""
    percent: int
    """Of calls that name no revision."""
    created_at: datetime
    updated_at: datetime
    ready_at: datetime | None
    used_at: datetime | None
    job_id: uuid.UUID | None
    """Its build: progress at `/v1/jobs/{id}` and `/v1/jobs/{id}/events`."""
    source: SourceView
    format: Format | None
    framework: str | None
    python: str | None
    """Version that it runs with."""
    requirements: list[str]
    """All that is in its environment, with versions."""
    secrets: list[str]
    """Names of those it asks for."""
    methods: list[str]
    """What can be called besides `predict`."""
    streams: bool
    """Its answers come in parts."""
    batch: int
    """Most calls joined into one."""
    batching: Batching | None
    """Why they are joined, or are not."""
    concurrency: int | None
    load_seconds: float | None
    memory_bytes: int | None
    """After it was loaded."""
    isolation: list[str]
    """What keeps it from others."""
    not_isolated: dict[str, str]
    """What of that is missing on this system, and why."""
    notes: list[Note]
    """What was ignored, dropped or changed."""
    serving: ServingView | None


class RevisionDetail(RevisionView):
    history: list[EventView]


class RevisionList(Wire):
    object: Literal["list"]
    data: list[RevisionView]


class DeploymentView(Wire):
    id: uuid.UUID
    object: Literal["deployment"]
    name: str
    description: str | None
    public: bool
    status: str
    """Of what gets its calls: `ready`, `idle` (asleep), `waking`, `unhealthy`; without that the state of the
    newest revision."""
    traffic: dict[str, int]
    """Number of a revision to its percent of calls."""
    min_replicas: int | None
    max_replicas: int | None
    idle_seconds: float | None
    predict_seconds: float | None
    latest: RevisionView
    predict_url: str
    created_at: datetime
    updated_at: datetime


class DeploymentList(Wire):
    object: Literal["list"]
    data: list[DeploymentView]
    has_more: bool
    next_after: uuid.UUID | None


class SecretView(Wire):
    name: str
    updated_at: datetime


class SecretList(Wire):
    object: Literal["list"]
    data: list[SecretView]
    missing: list[str]
    """Names that a revision asks for, and that have no value."""


class ExampleList(Wire):
    object: Literal["list"]
    data: list[Example]


class LineView(Wire):
    id: int
    at: datetime
    stream: str
    """`stdout`, `stderr`; `system` what is said about it; `build`."""
    request_id: str | None
    """The call that was served when it was said."""
    line: str


class LineList(Wire):
    object: Literal["list"]
    data: list[LineView]


class HourView(Wire):
    hour: datetime
    calls: int
    errors: int
    seconds: float
    """Of all calls together, waiting included."""


class RevisionUse(Wire):
    revision: int
    revision_id: uuid.UUID
    calls: int
    errors: int
    seconds: float
    hours: list[HourView]
    serving: ServingView


class UseView(Wire):
    object: Literal["deployment.metrics"]
    deployment: str
    since: datetime
    data: list[RevisionUse]


class PredictionView(Wire):
    """A prediction that is asked for later."""

    id: uuid.UUID
    object: Literal["prediction"]
    deployment: str
    status: JobState
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime
    progress: JobProgress | None
    error: JobError | None
    output: Any
    """What the model answered, as JSON; bytes as an object with `base64`."""
    revision: int | None
    """Number of the one that answered."""
    seconds: float | None
    warnings: list[str]
    webhook_url: str | None
