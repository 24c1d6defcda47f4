"""The contract of the DeepSpeech REST API for speech to text."""
