"""Voices as vectors: what a voice encoder needs, the encoder, and who is who among its vectors."""
