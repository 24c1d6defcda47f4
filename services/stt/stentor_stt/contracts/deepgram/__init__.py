"""The contract of Deepgram, for recordings and live."""
