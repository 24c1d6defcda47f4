"""A module of PyTorch, deployed as TorchScript: no code of it has to travel."""

import tempfile
from pathlib import Path

import torch
from deploy_client import deploy, predict

from stentor_deploy.packages.packer import Packing, archived, pack_torch


def main() -> None:
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
    rows = [[0.1, 0.2, 0.3, 0.4], [1.0, 0.0, -1.0, 0.5]]
    with tempfile.TemporaryDirectory() as folder:
        packing = Packing(name="two-scores", example=rows)
        deploy("two-scores", archived(pack_torch(module, Path(folder), packing)))
    print("here: ", module(torch.tensor(rows)).tolist())
    print("there:", predict("two-scores", rows)["predictions"])


if __name__ == "__main__":
    main()
