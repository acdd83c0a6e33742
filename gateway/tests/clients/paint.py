"""The object that clients ask for by its schema, for those whose schemas are pydantic's."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Paint(BaseModel):
    """A colour, and whether it is dry."""

    model_config = ConfigDict(extra="forbid")

    colour: Literal["red", "green"]
    is_dry: bool
