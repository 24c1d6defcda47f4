"""Engines in processes of their own."""

from stentor_common.hosting.process import ChildProcess, EngineFault, resident_bytes

__all__ = ["ChildProcess", "EngineFault", "resident_bytes"]
