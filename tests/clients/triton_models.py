"""Runs the published `tritonclient` over HTTP, in an environment of its own, with deployed models: host and
port of the service and an API token as arguments. Tensors are binary unless it is told otherwise."""

import json
import sys

import numpy as np
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException

address, token = sys.argv[1:]
client = InferenceServerClient(address)


def headers() -> dict[str, str]:
    """New ones for each call: the client writes into them."""
    return {"Authorization": f"Bearer {token}"}


def tensor(name: str, array: np.ndarray, datatype: str, *, binary: bool = True) -> InferInput:
    made = InferInput(name, list(array.shape), datatype)
    made.set_data_from_numpy(array, binary_data=binary)
    return made


rows = np.array([[1.5, 2], [3, 4]], dtype=np.float32)
texts = np.array(["grüße", ""], dtype=object)
binary = client.infer(
    "adder", [tensor("rows", rows, "FP32"), tensor("texts", texts, "BYTES")], headers=headers()
)
as_json = client.infer(
    "adder",
    [tensor("rows", rows, "FP32", binary=False), tensor("texts", texts, "BYTES", binary=False)],
    outputs=[InferRequestedOutput("sums", binary_data=False)],
    headers=headers(),
    model_version="1",
    request_id="my-id",
)
try:
    client.infer("adder", [tensor("rows", rows, "FP32")], headers=headers())
    refused = ""
except InferenceServerException as error:
    refused = str(error)

sys.stdout.write(
    json.dumps(
        {
            "live": client.is_server_live(),
            "ready": client.is_server_ready(),
            "model_ready": client.is_model_ready("adder", headers=headers()),
            "nobody_ready": client.is_model_ready("nobody", headers=headers()),
            "extensions": client.get_server_metadata()["extensions"],
            "metadata": client.get_model_metadata("adder", headers=headers()),
            "index": client.get_model_repository_index(headers=headers()),
            "sums": binary.as_numpy("sums").tolist(),
            "texts": [each.decode() for each in binary.as_numpy("texts")],
            "json_sums": as_json.as_numpy("sums").tolist(),
            "json": as_json.get_response(),
            "refused": refused,
        }
    )
)
