"""What `benchmarks.density` measures with: a fleet of small agents, and what stands beside it."""
