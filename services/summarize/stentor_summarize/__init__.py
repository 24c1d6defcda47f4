"""Summaries: long texts made short."""
