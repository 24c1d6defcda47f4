"""Coqui's voices, through its own library (https://coqui-tts.readthedocs.io).

It has an environment of its own, that of `make coqui`. A model is a folder with `config.json` and a
checkpoint, or a name in Coqui's list, such as `tts_models/de/thorsten/vits` or `xtts_v2`, which the library
fetches. Models that can imitate a voice do so from a recording in the folder `voices/` of the data directory,
named like the voice.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stentor_common.errors import Unavailable
from stentor_tts.engines import CannotSay, EngineSettings, EngineVoice, NoSuchSpeaker, Spoken, Utterance
from stentor_tts.engines.pace import at_pace
from stentor_tts.models import can_be_fetched, find, not_found

RECORDINGS = (".wav", ".flac", ".mp3", ".ogg", ".m4a")
CPML = "cpml"
SEED = 0
"""The same text sounds the same."""


SHORT_NAMES = {"xtts_v2": "tts_models/multilingual/multi-dataset/xtts_v2"}
SHORT_NAMES["xtts"] = SHORT_NAMES["xtts_v2"]


class FetchFailed(Unavailable):
    code = "model_not_fetched"


class LicenceNotAccepted(Unavailable):
    code = "licence_not_accepted"
    retryable = False

    def __init__(self, model: str, licence: str) -> None:
        super().__init__(
            f"model {model} may be used under its licence {licence!r} alone, which has conditions: "
            f"whoever runs this and agrees to them adds {licence!r} to STENTOR_TTS_ACCEPTED_LICENCES"
        )


class NoSuchLanguage(Unavailable):
    code = "no_such_language"
    retryable = False

    def __init__(self, language: str, model: str, known: Sequence[str]) -> None:
        super().__init__(f"model {model} does not speak {language!r}; it speaks {', '.join(known)}")


class LibraryNotHere(Unavailable):
    code = "library_not_here"
    retryable = False


class CoquiEngine:
    """One model, with one or many speakers, of one or many languages."""

    name = "coqui"

    def __init__(self, settings: EngineSettings) -> None:
        self.model = settings.model
        self._settings = settings
        self._tts: Any = None

    def load(self) -> None:
        """Raises ModelNotFound, LicenceNotAccepted, LibraryNotHere besides."""
        if self._tts is not None:
            return
        if self._settings.offline:
            os.environ["HF_HUB_OFFLINE"] = "1"
        library, torch = _library()
        if self._settings.threads:
            torch.set_num_threads(self._settings.threads)
        if self._settings.device == "cuda" and not torch.cuda.is_available():
            raise Unavailable("the device cuda is wanted for this voice and is not here")
        tts = self._opened(library)
        cuda = self._settings.device != "cpu" and torch.cuda.is_available()
        self._tts = tts.to("cuda" if cuda else "cpu").eval()

    def unload(self) -> None:
        self._tts = None

    def voices(self) -> tuple[EngineVoice, ...]:
        tts = self._ready()
        languages = tuple(name.lower() for name in tts.languages or ())
        names = [*(tts.speakers or ()), *(path.stem for path in self._recordings())] or [""]
        rate = int(tts.synthesizer.output_sample_rate)
        return tuple(EngineVoice(name, languages, rate) for name in dict.fromkeys(names))

    def say(self, utterances: Sequence[Utterance]) -> list[Spoken]:
        return [self._spoken(each) for each in utterances]

    def _spoken(self, utterance: Utterance) -> Spoken:
        import torch

        tts = self._ready()
        language = self._language(utterance.language)
        if not self._can_say(utterance.text, language):
            raise CannotSay(utterance.text, utterance.voice or self.model)
        arguments = self._speaker(utterance.voice) | ({"language": language} if language else {})
        torch.manual_seed(SEED)
        with torch.inference_mode():
            said = tts.tts(utterance.text, split_sentences=False, **arguments)
        samples = _without_added_silence(np.asarray(said, np.float32))
        if not len(samples):
            raise CannotSay(utterance.text, utterance.voice or self.model)
        # Models have no way in common to speak faster, and few keep to what they are told.
        return at_pace(
            Spoken(np.clip(samples, -1, 1), int(tts.synthesizer.output_sample_rate)), utterance.rate
        )

    def _opened(self, library: Any) -> Any:
        here = find("coqui", self.model, self._settings.data_dir)
        if here is not None:
            config = here.path.with_name("config.json")
            weights = here.path
            if _architecture(config) == "xtts":
                self._check_licence(CPML)
                # Its parts are several files.
                weights = weights.parent
            with tempfile.TemporaryDirectory() as place:
                found = _with_files_beside(config, Path(place) / config.name)
                return library(model_path=str(weights), config_path=str(found), progress_bar=False)
        if not can_be_fetched("coqui", self.model):
            raise not_found("coqui", self.model)
        return self._by_name(library)

    def _by_name(self, library: Any) -> Any:
        name = SHORT_NAMES.get(self.model, self.model)
        manager = library(progress_bar=False).manager
        item = _listed(manager.models_dict, name)
        if item is None:
            raise not_found("coqui", self.model)
        licence = str(item.get("license") or "").strip().lower()
        if item.get("tos_required") or "nc" in licence.replace("-", " ").split():
            self._check_licence(licence)
            # Read by the library, which would ask at a terminal otherwise.
            os.environ["COQUI_TOS_AGREED"] = "1"
        on_hub = "repo_id" in item
        fetched = (Path(manager.output_prefix) / name.replace("/", "--")).is_dir()
        if self._settings.offline and not on_hub and not fetched:
            raise not_found("coqui", self.model)
        try:
            return library(name, progress_bar=False)
        except OSError as error:
            if self._settings.offline:
                raise not_found("coqui", self.model) from error
            raise FetchFailed(f"model {self.model} could not be fetched: try again") from error

    def _check_licence(self, licence: str) -> None:
        if licence not in {each.lower() for each in self._settings.accepted_licences}:
            raise LicenceNotAccepted(self.model, licence)

    def _language(self, wanted: str) -> str | None:
        """As the model calls it, or one that differs in the region; None for a model of one language."""
        known = self._ready().languages
        if not known:
            return None
        same = [name for name in known if name.lower() == wanted]
        alike = [name for name in known if name.lower().partition("-")[0] == wanted.partition("-")[0]]
        if not same and not alike:
            raise NoSuchLanguage(wanted, self.model, known)
        return str((same or alike)[0])

    def _speaker(self, name: str) -> dict[str, Any]:
        tts = self._ready()
        speakers: list[str] = tts.speakers or []
        if not tts.is_multi_speaker:
            if name:
                raise NoSuchSpeaker(name, self.model, [])
            return {}
        if name in speakers or (not name and speakers):
            return {"speaker": name or speakers[0]}
        recordings = {path.stem: path for path in self._recordings()}
        if name in recordings:
            return {"speaker_wav": str(recordings[name])}
        raise NoSuchSpeaker(name, self.model, [*speakers, *recordings])

    def _recordings(self) -> Iterator[Path]:
        if self._ready().synthesizer.tts_model.config.supports_cloning:
            folder = self._settings.data_dir / "voices"
            yield from (path for path in sorted(folder.glob("*")) if path.suffix.lower() in RECORDINGS)

    def _can_say(self, text: str, language: str | None) -> bool:
        """Whether anything of the text is known to the model."""
        tokenizer: Any = getattr(self._ready().synthesizer.tts_model, "tokenizer", None)
        if not hasattr(tokenizer, "text_to_ids"):
            return any(character.isalnum() for character in text)
        known = tokenizer.characters
        found = (known.id_to_char(number) for number in tokenizer.text_to_ids(text, language=language))
        # Longer ones are marks such as <BLNK>.
        return any(len(character) == 1 and character.isalnum() for character in found)

    def _ready(self) -> Any:
        if self._tts is None:
            raise RuntimeError("load() comes before using the engine")
        return self._tts


def _library() -> tuple[Any, Any]:
    """Coqui's TTS class, and torch. Raises LibraryNotHere."""
    # It logs what it is given to say.
    logging.getLogger("TTS").setLevel(logging.ERROR)
    try:
        import torch

        from stentor_tts.engines.coqui_torchaudio import prepare

        prepare()
        from TTS.api import TTS
    except ImportError as error:
        raise LibraryNotHere(
            f"Coqui's library cannot be used here ({error.name or error}): run `make coqui`, or set "
            "STENTOR_TTS_COQUI_PYTHON to the interpreter of an environment that has it"
        ) from error
    return TTS, torch


def _listed(models: Any, name: str) -> dict[str, Any] | None:
    """What Coqui's list says about a name `tts_models/LANGUAGE/DATA/MODEL`; None where it has none such."""
    parts = name.split("/")
    if len(parts) != 4 or parts[0] != "tts_models":
        return None
    if parts[2] == "fairseq":
        # Of over a thousand languages, and not in the list.
        return {"license": "CC BY-NC 4.0"}
    for part in parts:
        models = models.get(part) or {}
    return models or None


def _architecture(config: Path) -> str:
    from TTS.config import load_config

    return str(load_config(str(config)).model)


def _with_files_beside(config: Path, copy: Path) -> Path:
    """A copy of the configuration whose files are those beside it, where the paths in it are of the machine
    on which the model was made."""
    copy.write_text(json.dumps(_replaced(json.loads(config.read_text("utf-8")), config.parent)))
    return copy


def _replaced(value: Any, folder: Path) -> Any:
    if isinstance(value, dict):
        return {key: _replaced(each, folder) for key, each in value.items()}
    if isinstance(value, list):
        return [_replaced(each, folder) for each in value]
    if isinstance(value, str) and "/" in value and not Path(value).exists():
        beside = folder / Path(value).name
        return str(beside) if beside.is_file() else value
    return value


def _without_added_silence(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    from TTS.utils.synthesizer import PAD_SILENCE_SAMPLES

    return samples[:-PAD_SILENCE_SAMPLES] if not samples[-PAD_SILENCE_SAMPLES:].any() else samples
