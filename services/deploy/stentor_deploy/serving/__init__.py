"""Calls to deployed models: which revision, which replica, alone or in a batch, asleep or awake."""
