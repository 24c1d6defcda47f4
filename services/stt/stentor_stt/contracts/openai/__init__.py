"""The audio contract of OpenAI: recordings, streams and live sessions."""
