"""Stands in for the library that services of OctoAI are written with."""
