"""What the library of the flow, and those below it, raise: translated here, once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import jwt
import requests
from django.core.exceptions import ImproperlyConfigured, SuspiciousOperation

from accounts.oidc.refusals import Reason, SignInRefused


@contextmanager
def translate_failures() -> Iterator[None]:
    """Raises SignInRefused in place of the libraries' exceptions."""
    try:
        yield
    except requests.HTTPError as exc:  # its text holds the provider's answer, which is the provider's to keep
        status = exc.response.status_code if exc.response is not None else "none"
        raise SignInRefused(Reason.BAD_ANSWER, f"the provider answered {status}") from exc
    except requests.JSONDecodeError as exc:
        raise SignInRefused(Reason.BAD_ANSWER, "the provider's answer is not JSON") from exc
    except requests.RequestException as exc:
        raise SignInRefused(Reason.UNREACHABLE, type(exc).__name__) from exc
    except (jwt.PyJWTError, SuspiciousOperation, ImproperlyConfigured) as exc:
        raise SignInRefused(Reason.BAD_ANSWER, f"{type(exc).__name__}: {exc}"[:200]) from exc
