"""Live transcription: sound comes in while somebody speaks, text goes out."""
