#!/usr/bin/env python
"""Django's command line."""

import os
import sys

from gateway.command_line import GatewayCommandLine
from gateway.env import ConfigurationError


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway.settings")
    try:
        GatewayCommandLine(sys.argv).execute()
    except ConfigurationError as exc:
        sys.exit(f"Configuration error: {exc}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
