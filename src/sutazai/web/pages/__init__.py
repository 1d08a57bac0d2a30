"""The pages, one file each. A page asks control for what it shows and has no rules of its own."""
