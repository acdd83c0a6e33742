#!/usr/bin/env python
"""Django's command line."""

import os
import sys

from gateway.command_line import GatewayCommandLine
from gateway.doctor.unreadable_settings import report_unreadable_settings
from gateway.env import ConfigurationError


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway.settings")
    try:
        GatewayCommandLine(sys.argv).execute()
    except ConfigurationError as exc:
        if sys.argv[1:2] == ["doctor"] and "--json" in sys.argv:
            print(report_unreadable_settings(exc))
            sys.exit(1)
        sys.exit(f"Configuration error: {exc}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
