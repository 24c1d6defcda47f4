"""`python -m stentor_stt api|worker`."""

from stentor_common.process import main
from stentor_common.settings import Settings
from stentor_stt.service import build_service
from stentor_stt.settings import SttSettings

if __name__ == "__main__":
    main(lambda: build_service(Settings(), SttSettings()))
