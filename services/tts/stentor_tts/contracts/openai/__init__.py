"""The speech contract of OpenAI."""
