"""The gateway's version, known without settings. pyproject.toml and the image's label repeat it."""

VERSION = "0.1.0"
