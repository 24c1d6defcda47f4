"""Plain Python: the folder `plain_python` is deployed as it is, and streams."""

from pathlib import Path

from deploy_client import deploy, predict, stream

from stentor_deploy.packages.packer import archived

FOLDER = Path(__file__).parent / "plain_python"
TEXT = {"text": "to be or not to be"}


def main() -> None:
    deploy("word-counter", archived(FOLDER))
    print(predict("word-counter", TEXT))
    for part in stream("word-counter", TEXT):
        print(part["word"], part["seen"])


if __name__ == "__main__":
    main()
