"""A model whose class is in a module: torch's packages run the module again that defines it."""

import torch


class Doubler(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(3, 2)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        doubled: torch.Tensor = self.layer(rows) * 2
        return doubled
