"""Documents, which may be traps, become text here, in processes that can do nothing else."""
