"""What mkdocs.yml needs beyond MkDocs: the pages at the root of the repository are part of the site.

Links are written for readers of the repository. Here they lead to the pages of the site; a link to a source
file, which the site does not have, becomes plain text. What leads nowhere is left as it is: MkDocs then names
it, and a strict build fails.
"""

from __future__ import annotations

import logging
import posixpath
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

log = logging.getLogger("mkdocs.hooks.site")  # whose warnings a strict build counts
REPOSITORY = Path(__file__).resolve().parent.parent
ROOT_PAGES = (
    "README.md",
    "README.ko.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "benchmarks/README.md",
)
LINK = re.compile(r"(?P<image>!?)\[(?P<text>[^\[\]]*(?:\[[^\[\]]*\][^\[\]]*)?)\]\((?P<target>[^()\s]+)\)")
CODE = re.compile(r"^(?P<fence>```+|~~~+).*?^(?P=fence)[ \t]*$", re.DOTALL | re.MULTILINE)
FETCHED_FROM_ELSEWHERE = re.compile(
    r"<(?:script|link(?! rel=[\"']?canonical)|img|iframe)\b[^>]*\b(?:src|href)=[\"']?(?:https?:)?//[^>]*>"
)
COMMENT = re.compile(r"^(<!-- (?:begin|end) [\w-]+ -->)$", re.MULTILINE)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """End the navigation with pages that have no place in it yet, and with the decisions."""
    docs = REPOSITORY / "docs"
    placed = Counter(list_pages(config.nav or []))
    for page, times in placed.items():
        if times > 1:
            log.warning("'%s' stands in the navigation %d times", page, times)
    unplaced = sorted(path.name for path in docs.glob("*.md") if path.name not in placed)
    decisions = sorted(str(path.relative_to(docs)) for path in (docs / "adr").glob("*.md"))
    more = [{"More": unplaced}] if unplaced else []
    config.nav = [*(config.nav or []), *more, {"Decisions": decisions}]
    return config


def list_pages(nav: object) -> Iterator[str]:
    """The pages of a navigation, however deep they stand."""
    if isinstance(nav, str):
        yield nav
    for item in nav.values() if isinstance(nav, dict) else nav if isinstance(nav, list) else ():
        yield from list_pages(item)


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages of the root, under their own names."""
    for name in ROOT_PAGES:
        if (REPOSITORY / name).exists():
            files.append(File.generated(config, name, abs_src_path=str(REPOSITORY / name)))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links into the site, and let a table begin after a comment, as GitHub does."""
    source = place_in_repository(page.file.src_uri)
    spaced = COMMENT.sub(r"\n\1\n", markdown)
    parts, end = [], 0
    for code in CODE.finditer(spaced):
        parts += [lead_links(spaced[end : code.start()], source), code[0]]
        end = code.end()
    return "".join([*parts, lead_links(spaced[end:], source)])


def on_post_page(output: str, *, page: Page, config: MkDocsConfig) -> str:
    """Say which pages are Korean, for screen readers and fonts. Warn of what is fetched from elsewhere."""
    for tag in FETCHED_FROM_ELSEWHERE.findall(output):
        log.warning("'%s' fetches something from elsewhere: %s", page.file.src_uri, tag)
    if page.file.src_uri.endswith(".ko.md"):
        return output.replace('<html lang="en"', '<html lang="ko"', 1)
    return output


def place_in_repository(src_uri: str) -> str:
    return src_uri if src_uri in ROOT_PAGES else f"docs/{src_uri}"


def place_in_site(path: str) -> str | None:
    """Where the site has this file of the repository; None where it has not."""
    if path in ROOT_PAGES:
        return path
    return path.removeprefix("docs/") if path.startswith("docs/") else None


def lead_links(markdown: str, source: str) -> str:
    """`markdown` of the file `source`, with links as its page in the site needs them."""

    def lead(link: re.Match[str]) -> str:
        path, hash_mark, anchor = link["target"].partition("#")
        if not path or "://" in path or path.startswith(("/", "mailto:")):
            return link[0]
        found = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        if not (REPOSITORY / found).exists():
            return link[0]
        if (REPOSITORY / found).is_dir() or (there := place_in_site(found)) is None:
            return link["text"]
        here = place_in_site(source) or source
        target = posixpath.relpath(there, posixpath.dirname(here) or ".")
        return f"{link['image']}[{link['text']}]({target}{hash_mark}{anchor})"

    return LINK.sub(lead, markdown)
