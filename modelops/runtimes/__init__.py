"""Where engines run. Only the switcher calls these, never a request."""
