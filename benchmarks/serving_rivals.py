"""Servers that `serving.py` is measured against: what they need, how the same model is given to them, how
they are started and called. Each as its documents show it, with its own logging of requests off."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from uv import find_uv_bin

CACHE = Path(os.environ.get("STENTOR_BENCH_CACHE", Path.home() / ".cache" / "stentor-benchmarks"))
MODEL_NEEDS = ("scikit-learn==1.9.1", "numpy==2.4.6", "joblib")
ROW = [5.1, 3.5, 1.4, 0.2]
BATCH, WINDOW_SECONDS = 32, 0.005
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True, slots=True)
class Rival:
    needs: tuple[str, ...]
    files: Mapping[str, str]
    command: tuple[str, ...]
    """`{bin}` is the folder of programs of its environment, `{port}` where it must listen."""
    path: str
    body: object
    variables: Mapping[str, str] = field(default_factory=dict)


def environment(name: str, needs: tuple[str, ...]) -> Path:
    """The folder of an environment with these packages, made the first time."""
    folder = CACHE / name
    if not (folder / "made").exists():
        subprocess.run([find_uv_bin(), "venv", "--quiet", "--clear", str(folder)], check=True)
        python = str(folder / "bin" / "python")
        subprocess.run([find_uv_bin(), "pip", "install", "--quiet", "--python", python, *needs], check=True)
        (folder / "made").touch()
    return folder


@contextmanager
def running(rival: Rival, name: str, model: Path, folder: Path, port: int) -> Iterator[int]:
    """The server as a process; gives its id. Ended with all its children."""
    place = folder / name
    place.mkdir(exist_ok=True)
    for path, text in rival.files.items():
        (place / path).write_text(text)
    programs = environment(name.partition("-")[0], rival.needs) / "bin"
    command = [part.format(bin=programs, port=port) for part in rival.command]
    variables = {
        **os.environ,
        **ONE_THREAD,
        **rival.variables,
        "MODEL": str(model),
        "PORT": str(port),
        "PATH": f"{programs}:{os.environ['PATH']}",
    }
    with (
        (place / "log").open("w") as log,
        subprocess.Popen(
            command, cwd=place, env=variables, stdout=log, stderr=log, start_new_session=True
        ) as server,
    ):
        try:
            yield server.pid
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                server.wait(10)
            with suppress(ProcessLookupError):
                # Children that did not hear it.
                os.killpg(server.pid, signal.SIGKILL)


LITSERVE = """
import os, joblib, litserve, numpy

class Iris(litserve.LitAPI):
    def setup(self, device):
        self.model = joblib.load(os.environ["MODEL"])

    def decode_request(self, request):
        return request["input"]

    def batch(self, inputs):
        return numpy.concatenate([numpy.asarray(each) for each in inputs])

    def unbatch(self, output):
        return [[each] for each in output]

    def predict(self, rows):
        return self.model.predict(rows).tolist()

    def encode_response(self, output):
        return {"output": output}

if __name__ == "__main__":
    batch, window = int(os.environ.get("BATCH", "1")), float(os.environ.get("WINDOW", "0"))
    api = Iris(max_batch_size=batch, batch_timeout=window)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1)
    server.run(
        host="127.0.0.1", port=int(os.environ["PORT"]), log_level="warning", access_log=False,
        generate_client_file=False,
    )
"""

FASTAPI = """
import os, joblib, uvicorn
from fastapi import FastAPI

model, app = joblib.load(os.environ["MODEL"]), FastAPI()

@app.post("/predict")
def predict(body: dict) -> dict:
    return {"output": model.predict(body["input"]).tolist()}

uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PORT"]), log_level="warning", access_log=False)
"""

BENTOML = """
import os, bentoml, joblib, numpy

@bentoml.service(workers=1, logging={"access": {"enabled": False}})
class Iris:
    def __init__(self):
        self.model = joblib.load(os.environ["MODEL"])

    @bentoml.api(BATCHABLE)
    def predict(self, rows: numpy.ndarray) -> numpy.ndarray:
        return self.model.predict(rows)
"""


def _mlserver(**settings: object) -> Mapping[str, str]:
    server = {
        "host": "127.0.0.1",
        "parallel_workers": 0,
        "debug": False,
        "grpc_port": 0,
        "metrics_endpoint": None,
    }
    model = {
        "name": "iris",
        "implementation": "mlserver_sklearn.SKLearnModel",
        "parameters": {"uri": "./model.joblib"},
        **settings,
    }
    return {"settings.json": json.dumps(server), "model-settings.json": json.dumps(model)}


_INPUT = {"input": [ROW]}
_V2 = {"inputs": [{"name": "rows", "shape": [1, 4], "datatype": "FP64", "data": ROW}]}
_LIT = ("litserve==0.2.19", *MODEL_NEEDS)
_BENTO = ("bentoml==1.4.39", *MODEL_NEEDS)
_ML = ("mlserver==1.7.1", "mlserver-sklearn==1.7.1", "uvloop<0.22", *MODEL_NEEDS)
_BENTO_COMMAND = ("{bin}/bentoml", "serve", "service:Iris", "--host", "127.0.0.1", "--port", "{port}")
_BENTO_VARIABLES = {"BENTOML_DO_NOT_TRACK": "true"}
_ML_COMMAND = (
    "sh",
    "-c",
    'ln -sf "$MODEL" model.joblib && MLSERVER_HTTP_PORT={port} exec {bin}/mlserver start .',
)

RIVALS: dict[str, Rival] = {
    "fastapi": Rival(
        ("fastapi==0.165.0", "uvicorn[standard]==0.54.0", *MODEL_NEEDS),
        {"server.py": FASTAPI},
        ("{bin}/python", "server.py"),
        "/predict",
        _INPUT,
    ),
    "litserve": Rival(_LIT, {"server.py": LITSERVE}, ("{bin}/python", "server.py"), "/predict", _INPUT),
    "litserve-batched": Rival(
        _LIT,
        {"server.py": LITSERVE},
        ("{bin}/python", "server.py"),
        "/predict",
        _INPUT,
        {"BATCH": str(BATCH), "WINDOW": str(WINDOW_SECONDS)},
    ),
    "mlserver": Rival(_ML, _mlserver(), _ML_COMMAND, "/v2/models/iris/infer", _V2),
    "mlserver-batched": Rival(
        _ML,
        _mlserver(max_batch_size=BATCH, max_batch_time=WINDOW_SECONDS),
        _ML_COMMAND,
        "/v2/models/iris/infer",
        _V2,
    ),
    "bentoml": Rival(
        _BENTO,
        {"service.py": BENTOML.replace("BATCHABLE", "")},
        _BENTO_COMMAND,
        "/predict",
        {"rows": [ROW]},
        _BENTO_VARIABLES,
    ),
    "bentoml-batched": Rival(
        _BENTO,
        {"service.py": BENTOML.replace("BATCHABLE", f"batchable=True, max_batch_size={BATCH}")},
        _BENTO_COMMAND,
        "/predict",
        {"rows": [ROW]},
        _BENTO_VARIABLES,
    ),
}
