"""Outside contracts, one file each: thin translations onto the same use cases."""
