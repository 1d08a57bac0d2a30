"""Drift at work: looks at what runs, remembers what was found, puts right what it is told to."""
