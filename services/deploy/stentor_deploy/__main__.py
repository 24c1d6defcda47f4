"""`python -m stentor_deploy api|worker`."""

from stentor_common.process import main
from stentor_common.settings import Settings
from stentor_deploy.service import build_service
from stentor_deploy.settings import DeploySettings

if __name__ == "__main__":
    main(lambda: build_service(Settings(), DeploySettings()))
