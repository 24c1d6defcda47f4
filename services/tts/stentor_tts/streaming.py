"""A text spoken while its client listens: bytes as they are made, and no more than are wanted."""

import asyncio
import tempfile
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Annotated

import structlog
from fastapi import Depends, Request
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from stentor_common.adapters import Adapter, resolve
from stentor_common.auth import Caller
from stentor_common.jobs.deferred import first_part
from stentor_common.places import Places
from stentor_common.requests import RuntimeDep, resource_of
from stentor_common.runtime import Runtime
from stentor_tts import sounds
from stentor_tts.speaking import Speaker, SpeakerDep
from stentor_tts.speeches import Manner, Repertoire, cache_key, need_length, script_for
from stentor_tts.voices import Voice

if TYPE_CHECKING:
    from stentor_tts.synthesis import Synthesis

# Imported by the first text: a process that only serves the API need not have numpy.
SYNTHESIS = {"synthesis": Adapter("stentor_tts.synthesis:Synthesis", extra="speech", library="numpy")}
