"""A real Docker engine of the test run's own, and images for it that need no registry."""
