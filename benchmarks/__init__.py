"""What the chat path costs, measured: `python -m benchmarks`. README.md says how and why so."""
