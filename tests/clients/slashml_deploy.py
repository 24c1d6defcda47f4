"""Runs the published `slashml` client, in an environment of its own: URL and API token as arguments.

The client has no setting for its address; the class attribute is the one thing that is changed.
"""

import json
import sys
import time
from typing import Any

from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from slashml import ModelDeployment

url, token = sys.argv[1:]
ModelDeployment._base_url = f"{url}/model-deployment/v1"
client = ModelDeployment(api_key=token)

iris = load_iris()
forest = RandomForestClassifier(n_estimators=10, random_state=0).fit(iris.data, iris.target)
rows = iris.data[[0, 75, 149]].tolist()


def deployed(name: str) -> tuple[Any, Any, list[str]]:
    """The model, once its status is one that the client's examples stop at."""
    made = client.deploy(model_name=name, model=forest)
    status = client.status(model_version_id=made.id)
    seen = [made.status, status.status]
    while status.status not in ("READY", "FAILED"):
        time.sleep(0.2)
        status = client.status(model_version_id=made.id)
        seen.append(status.status)
    return made, status, seen


first, status, seen = deployed("My Iris")
answer = client.predict(model_version_id=first.id, model_input=rows)
refused = client.predict(model_version_id=first.id, model_input="not rows")
# Sent with the headers of the call before.
second, again, _ = deployed("My Iris")

sys.stdout.write(
    json.dumps(
        {
            "name": first.name,
            "seen": seen,
            "status": status.to_dict(),
            "model_input": answer.model_input,
            "answer": answer.model_response.to_dict(),
            "expected": {
                "predictions": forest.predict(rows).tolist(),
                "probabilities": forest.predict_proba(rows).tolist(),
            },
            "rows": rows,
            "refused": refused.to_dict(),
            "second": [second.id != first.id, again.status],
        }
    )
)
