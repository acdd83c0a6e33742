"""Images, recognised by their content: PNG, JPEG, WebP and GIF. Their pixels are never decoded here."""

from __future__ import annotations

from typing import IO

from PIL import Image

from gateway.errors import InvalidRequest
from gateway.wording import fill_in

MAX_PIXELS = 50_000_000
"""Width times height. More is no photograph but a bomb for whoever decodes it, which the engine does."""

MEDIA_TYPES = {
    **{"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp", "GIF": "image/gif"},
    "MPO": "image/jpeg",  # of phones: several JPEGs in one file, which begins as any other
}
SHOWN_TYPES = frozenset(MEDIA_TYPES.values())
"""What a browser may show instead of keeping it: nothing in these runs."""

_SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a")


def looks_like_image(head: bytes) -> bool:
    """Whether a file that begins like this says that it is one of these images."""
    return head.startswith(_SIGNATURES) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")


def check_image(file: IO[bytes]) -> str:
    """The image's media type. Raises InvalidRequest for what is none, or a bomb."""
    try:
        with Image.open(file, formats=("PNG", "JPEG", "WEBP", "GIF")) as image:
            width, height = image.size
            media_type = MEDIA_TYPES[image.format or ""]
            if width * height <= MAX_PIXELS:
                image.verify()
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        width = height = MAX_PIXELS
    except (OSError, SyntaxError, ValueError, KeyError, EOFError) as exc:  # what Pillow raises for damage
        raise InvalidRequest("The image is damaged: send a PNG, JPEG, WebP or GIF.") from exc
    if width * height > MAX_PIXELS:
        raise InvalidRequest(fill_in("The image has more than {most} pixels.", most=MAX_PIXELS))
    return media_type
