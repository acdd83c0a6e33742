"""The gateway's settings, with one more path, behind which a view fails as nobody expected."""

from gateway.tests.quick_settings import *  # noqa: F403

ROOT_URLCONF = "gateway.tests.security.faulty_urls"
