"""`python -m stentor_dev.ready`: brings the server programs that no Python package carries."""

import os
import sys

from stentor_dev import nginx, rabbitmq
from stentor_dev.installation import NotInstalled, find_program, install_with_apt
from stentor_dev.paper import namespaces


def main() -> int:
    try:
        if "STENTOR_TEST_QUEUE_URL" not in os.environ:
            rabbitmq.ensure_installed()
        nginx.ensure_installed()
        namespaces.ensure_installed()
        # Without it a test is skipped.
        find_program("shellcheck") or install_with_apt("shellcheck")
    except NotInstalled as missing:
        sys.stderr.write(f"{missing}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
