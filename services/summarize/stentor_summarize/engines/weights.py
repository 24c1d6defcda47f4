"""Brings a model's weights onto this machine."""

from pathlib import Path

import httpx2
from huggingface_hub import list_repo_files, snapshot_download

from stentor_common.shelf import ModelNotFound
from stentor_common.transformers_files import patterns_for
from stentor_summarize.engines import EngineSettings
from stentor_summarize.models import shelves


def folder_of(engine: str, settings: EngineSettings) -> Path:
    """The folder of the weights: a path, a folder of the data directory, a package, the hub's cache, the
    hub. Raises ModelNotFound, which says what to do."""
    places = shelves(engine, settings.data_dir)
    for place in places:
        if place.has(settings.model):
            return place.locate(settings.model)
    kind = places[0].kind

    def download(hub_name: str) -> Path:
        try:
            return _downloaded(hub_name)
        except (OSError, ValueError, httpx2.HTTPError) as error:
            raise ModelNotFound(
                f"model {hub_name} could not be fetched from the model hub; check the name and the network, "
                f"or {kind.folder_advice(hub_name)}"
            ) from error

    return places[0].locate(settings.model, download=None if settings.offline else download)


def _downloaded(hub_name: str) -> Path:
    return Path(snapshot_download(hub_name, allow_patterns=list(patterns_for(list_repo_files(hub_name)))))
