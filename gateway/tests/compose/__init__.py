"""The project's own Dockerfile and compose files, brought up on a real Docker engine without a registry."""
