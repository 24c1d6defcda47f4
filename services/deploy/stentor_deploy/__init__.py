"""Model deployment: an uploaded model becomes an API."""
