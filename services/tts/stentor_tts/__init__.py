"""Text to speech: script, engines, voices and the native contract."""
