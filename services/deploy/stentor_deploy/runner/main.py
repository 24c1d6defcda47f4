"""Starts the runner by its path, with any Python from 3.8: `python main.py --help`."""

import pathlib
import sys
import types


def make_importable() -> None:
    """Its modules can be imported by their full names where the product is not installed."""
    folder = str(pathlib.Path(__file__).resolve().parent)
    # A model must not find them as modules of its own.
    sys.path[:] = [each for each in sys.path if each != folder]
    for name, path in (("stentor_deploy", []), ("stentor_deploy.runner", [folder])):
        package = types.ModuleType(name)
        package.__path__ = path
        sys.modules[name] = package


if __name__ == "__main__":
    make_importable()
    from stentor_deploy.runner.program import main

    main()
