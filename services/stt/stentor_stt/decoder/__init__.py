"""Recordings, which may be traps, are decoded and cut here, in processes that can do nothing else."""
