"""What `benchmarks.tasks` runs in processes of their own."""
