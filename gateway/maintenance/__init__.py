"""What has to be done daily: removing what nobody keeps any more (docs/retention.md)."""
