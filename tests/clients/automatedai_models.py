"""Runs the published `automatedai`, in an environment of its own, with a deployed model that answers with
what it is given: the URL of the service, an API token and the URL of a file as arguments."""

import json
import sys

import numpy as np
from automatedai import Algorithm

url, token, file = sys.argv[1:]
echo = Algorithm(f"{url}/algorithms/echo", token)


def refused(algorithm: Algorithm, given: object) -> str:
    try:
        algorithm.send(given)
    except ValueError as error:
        return str(error)
    return ""


sys.stdout.write(
    json.dumps(
        {
            "none": echo.send(None),
            "object": echo.send({"rows": np.array([[1, 2]])}),
            "list": echo.send([1, 2]),
            "number": echo.send(3.5),
            "text": echo.send("plain words"),
            "bytes": echo.send(b"\x00\xff").hex(),
            "download": echo.send_url_to_download(file).hex(),
            "raised": refused(echo, {"raise": "no"}),
            "token": refused(Algorithm(f"{url}/algorithms/echo", "wrong"), []),
            "unknown": refused(Algorithm(f"{url}/algorithms/nobody", token), []),
        }
    )
)
