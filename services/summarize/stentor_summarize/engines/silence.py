"""Keeps a library from speaking to the terminal."""

from typing import Any

from transformers.utils import logging


def silence() -> None:
    """No progress bars and no advice from transformers; what goes wrong is raised."""
    library: Any = logging
    library.set_verbosity_error()
    library.disable_progress_bar()
