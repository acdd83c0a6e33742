"""Which container images an engine may run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

_DEFAULT_REGISTRIES = ("docker.io/", "index.docker.io/", "registry-1.docker.io/")


@dataclass(frozen=True)
class ImageReference:
    """`repository:tag@digest`, with the parts that Docker adds by itself taken away."""

    repository: str
    tag: str
    digest: str


def read_reference(text: str) -> ImageReference:
    """Never raises: what is no reference of an image matches nothing that an operator would write."""
    name, _, digest = text.partition("@")
    repository, _, tag = name.rpartition(":")
    if not repository or "/" in tag:
        repository, tag = name, ""
    for registry in _DEFAULT_REGISTRIES:
        repository = repository.removeprefix(registry)
    return ImageReference(repository.removeprefix("library/"), tag, digest)


def is_allowed_image(image: str, patterns: Iterable[str]) -> bool:
    """Whether a pattern matches it. `*` stands for any characters, in the repository's name and in the tag.

    A pattern without a tag allows every tag; one with a tag is not met by a digest alone, which says nothing
    of tags; one with a digest is met by that digest only.
    """
    asked = read_reference(image)
    return any(_matches(asked, read_reference(pattern)) for pattern in patterns)


def is_allowed_repository(names: Sequence[str], patterns: Iterable[str]) -> bool:
    """Whether one of an image's names is of a repository that a pattern allows, whatever its tag."""
    allowed = [read_reference(pattern).repository for pattern in patterns]
    repositories = [read_reference(name).repository for name in names]
    return any(fnmatchcase(repository, each) for repository in repositories for each in allowed)


def _matches(asked: ImageReference, pattern: ImageReference) -> bool:
    if not asked.repository or not fnmatchcase(asked.repository, pattern.repository):
        return False
    if pattern.digest:
        return asked.digest == pattern.digest
    if pattern.tag in ("", "*"):
        return True
    return fnmatchcase(asked.tag, pattern.tag)
