"""What one good start of an engine told of its cards, whatever model it served."""

from __future__ import annotations

from dataclasses import dataclass

from modelops.domain.fit.eras import Version


@dataclass(frozen=True)
class CardStart:
    """Evidence for the terms that do not depend on the model. None where the engine's log did not tell."""

    source: str
    """Which start it was, in words."""
    is_here: bool
    """On the box that is asked about; else on other cards of the kind."""
    version: Version | None
    tag: str | None
    """Of the image, by which engines without a version in it are told apart."""
    is_v0: bool
    split: tuple[int, int, int]
    """Its tensor, pipeline and data parallel size."""
    context_bytes: int | None = None
    """What was gone of the card when the engine asked how much is free, whoever had it."""
    most_context_bytes: int | None = None
    """More cannot have been gone then, for the engine got its share of the card."""
    non_torch_bytes: int | None = None
    graph_ratio: float | None = None
    """CUDA graphs, as a multiple of what the formula gives for that engine."""
    graph_kind: tuple[bool, bool, bool] = (False, False, False)
    """Whether they are set aside, layers keep states, tokens are guessed: graphs of one kind are compared."""
    compile_bytes: int | None = None
    """What its first start, which compiled, took more than a later one."""
