"""Runs the published `octoai-sdk`, in an environment of its own, with deployed models: the URL of the service
and an API token as arguments. `greeter` is a service of OctoAI's scaffold, `counter` gives part after part.
"""

import json
import sys
import time

from octoai.client import Client

url, token = sys.argv[1:]
greeter, counter = f"{url}/endpoints/greeter", f"{url}/endpoints/counter"
client = Client(token=token)
inputs = {"name": "Ada"}

healthy = client.health_check(f"{greeter}/healthcheck")
inferred = client.infer(f"{greeter}/infer", inputs)
further = client.infer(f"{greeter}/say-goodbye", inputs)

futures = [client.infer_async(f"{greeter}/infer", {"name": name}) for name in ("Ada", "Grace")]
while not all(client.is_future_ready(future) for future in futures):
    time.sleep(0.2)
later = [client.get_future_result(future) for future in futures]

try:
    client.infer(f"{greeter}/infer", {"nickname": "Ada"})
    refused = ""
except Exception as error:
    refused = f"{type(error).__name__}: {error}"

# The oldest version streams the answers of language models only.
streams = hasattr(client, "infer_stream")
try:
    parts = list(client.infer_stream(f"{counter}/predict", {"to": 3})) if streams else None
except TypeError:
    parts = None

sys.stdout.write(
    json.dumps(
        {
            "healthy": healthy,
            "inferred": inferred,
            "further": further,
            "later": later,
            "refused": refused,
            "parts": parts,
        }
    )
)
