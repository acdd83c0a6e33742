"""Profiles from how somebody else starts vLLM: a command line, `docker run`, a service of a compose file.

Pure text in, a profile's values out, with a list of what was not taken and why. Nothing is run, read
from disk or expanded by a shell.
"""
