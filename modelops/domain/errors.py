"""Errors of the fit check's inputs. Each names the field that is wrong."""


class FieldError(ValueError):
    """A value cannot be used. `field` is its dotted name, `reason` says what is wrong with it."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class UnknownLayoutError(ValueError):
    """A config.json describes a layout whose memory is not understood; the message says which part."""
