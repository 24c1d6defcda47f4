"""Calls to deployed models, through the gateway: models are functions of this process."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from stentor_deploy.testing_serving import Gate, Serving


@pytest.fixture
def settings() -> dict[str, Any]:
    return {}


@pytest.fixture
async def serving(settings: dict[str, Any]) -> AsyncIterator[Serving]:
    found = Serving(**settings)
    yield found
    await found.gateway.close()


@pytest.fixture
def gate() -> Gate:
    return Gate()
