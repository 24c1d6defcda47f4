"""A classifier of scikit-learn: trained here, deployed, asked for three flowers."""

import tempfile
from pathlib import Path

from deploy_client import deploy, predict
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier

from stentor_deploy.packages.packer import Packing, archived, pack_sklearn


def main() -> None:
    rows, kinds = load_iris(return_X_y=True)
    forest = RandomForestClassifier(20, random_state=0).fit(rows, kinds)
    flowers = rows[[0, 60, 149]].tolist()
    with tempfile.TemporaryDirectory() as folder:
        packing = Packing(name="iris", example=flowers)
        deploy("iris", archived(pack_sklearn(forest, Path(folder), packing)))
    print(predict("iris", flowers))


if __name__ == "__main__":
    main()
