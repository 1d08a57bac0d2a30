"""What `benchmarks.observe` measures with."""
