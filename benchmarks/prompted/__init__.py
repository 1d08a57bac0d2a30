"""Agents with instructions of their own, and a real LLM server that they ask."""
