"""What `benchmarks.messages` measures with: agents, and HTTP programs beside them."""
