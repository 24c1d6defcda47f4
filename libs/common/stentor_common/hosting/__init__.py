"""Engines in processes of their own."""

from stentor_common.hosting.hosted import Hosted, measured
from stentor_common.hosting.process import ChildProcess, EngineFault, resident_bytes

__all__ = ["ChildProcess", "EngineFault", "Hosted", "measured", "resident_bytes"]
