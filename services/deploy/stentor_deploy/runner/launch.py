"""Starts a runner behind what keeps it from everything else: `python -I -S launch.py PLAN SOCKET`.

It runs under the server's own interpreter: a model's environment is not to be trusted before the layers are
in place, its interpreter included. PLAN is a descriptor to read a JSON `sandbox.Plan` from, SOCKET one of the
connected socket, on which CONFINED says what was applied; then the plan's command replaces this program.
"""

import importlib.util
import json
import os
import pathlib
import socket
import sys


def launch() -> None:
    folder = pathlib.Path(__file__).resolve().parent
    spec = importlib.util.spec_from_file_location("start_runner", folder / "main.py")
    assert spec is not None
    assert spec.loader is not None
    main = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(main)
    main.make_importable()
    from stentor_deploy.runner import frames, sandbox

    with open(int(sys.argv[1]), "rb") as file:
        plan = sandbox.Plan(**json.load(file))
    report = sandbox.enter(plan)
    end = socket.socket(fileno=int(sys.argv[2]))
    end.sendall(frames.frame(frames.CONFINED, 0, json.dumps(report).encode()))
    if plan.required and report["missing"]:
        return
    os.set_inheritable(end.fileno(), True)
    os.execve(  # noqa: S606 - what was planned, without a shell
        plan.command[0], plan.command, plan.environment
    )


if __name__ == "__main__":
    launch()
