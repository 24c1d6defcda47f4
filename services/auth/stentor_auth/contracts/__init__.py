"""Contracts of others' making, one file each: thin translations onto the same accounts."""
