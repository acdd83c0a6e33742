"""A real Ray cluster of two nodes on this machine, for tests."""
