"""The settings of gateways under test: the product's, with passwords that cost next to nothing.

As in production one takes a quarter of a second of CPU, and every test of a gateway logs somebody in.
"""

from gateway.settings import *  # noqa: F403

PASSWORD_HASHERS = ["gateway.tests.quick_hasher.QuickArgon2Hasher"]
