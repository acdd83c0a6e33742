"""Brings the catalogues up to date: `python -m gateway.translations`.

Finds the texts in templates, Python and scripts, adds those that are new to `locale/*/LC_MESSAGES/*.po`,
compiles these, and names what is left to translate: edit the .po, and run it again. The system's gettext is
not needed.
"""

from __future__ import annotations

import os
import sys

from gateway.conf import BASE_DIR
from gateway.translations.catalogues import all_catalogues, problems_of


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway.settings")
    left = 0
    for file in all_catalogues():
        catalogue = file.update()
        file.write(catalogue)
        problems = problems_of(catalogue)
        left += len(problems)
        print(f"{file.source.relative_to(BASE_DIR)}: {len(catalogue)} texts, {len(problems)} left")
        for problem in problems:
            print(f"  {problem}")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
