"""Contracts of other systems, as thin translations onto the use cases of text to speech."""
