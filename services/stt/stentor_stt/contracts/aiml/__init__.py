"""The contract of AI/ML API for speech to text."""
