"""What `benchmarks.saturation` is made of: a fake LLM server with few slots, and many agents."""
