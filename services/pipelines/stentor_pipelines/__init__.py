"""Pipelines: several capabilities one after the other, as one job."""
