"""Reads an engine's log: phases and progress of a start, measured sizes, the first cause of a failure."""
