"""`python -m stentor_tts api|worker`."""

from stentor_common.process import main
from stentor_common.settings import Settings
from stentor_tts.service import build_service
from stentor_tts.settings import TtsSettings

if __name__ == "__main__":
    main(lambda: build_service(Settings(), TtsSettings()))
