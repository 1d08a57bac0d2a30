"""What the benchmark of rollouts measures, and how: figures of one move, and the fleet's memory."""
