"""Drivers that start and stop engines: Docker, child processes, engines started elsewhere.

One protocol (`base`), one contract test over every driver. Only `modelops.switcher` calls them.
"""
