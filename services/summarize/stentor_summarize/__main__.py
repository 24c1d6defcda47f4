"""`python -m stentor_summarize api|worker`."""

from stentor_common.process import main
from stentor_common.settings import Settings
from stentor_summarize.service import build_service
from stentor_summarize.settings import SummarizeSettings

if __name__ == "__main__":
    main(lambda: build_service(Settings(), SummarizeSettings()))
