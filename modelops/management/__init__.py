"""The commands of operators, and what they share: options, progress lines, exit codes."""
