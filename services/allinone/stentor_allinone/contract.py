"""`python -m stentor_allinone.contract FILE`: writes down the HTTP contract of everything."""

import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from stentor_allinone.compose import AllSettings, compose
from stentor_common.host import create_app, openapi
from stentor_common.runtime import open_runtime


async def contract() -> dict[str, Any]:
    """The OpenAPI document of all services in one process."""
    with tempfile.TemporaryDirectory() as folder:
        settings = AllSettings.read(data_dir=Path(folder))
        everything = compose(settings)
        async with open_runtime(settings.common) as runtime:
            app = create_app(runtime, everything.services, everything.authenticate(runtime))
            return openapi(app)


def as_text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(as_text(asyncio.run(contract())))
