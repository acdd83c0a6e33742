"""Errors of the fit check's inputs. Each names the field that is wrong."""

from __future__ import annotations

from gateway.wording import fill_in


class FieldError(ValueError):
    """A value cannot be used. `field` is its dotted name, `reason` says what is wrong with it."""

    def __init__(self, field: str, reason: str) -> None:
        self.wording = fill_in("{field}: {reason}", field=field, reason=reason)
        super().__init__(self.wording)
        self.field = field
        self.reason = reason


class UnknownLayoutError(ValueError):
    """A config.json describes a layout whose memory is not understood; the message says which part."""

    def __init__(self, wording: str) -> None:
        super().__init__(wording)
        self.wording = wording
