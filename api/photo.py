"""Pictures of mounted devices: checked, turned upright, made smaller, and drawn anew without place, time or camera."""

from __future__ import annotations

import hashlib
import io
import warnings

from PIL import Image, ImageOps, UnidentifiedImageError

BYTES = 20 << 20
PIXELS = 50_000_000
LONGEST_SIDE = 1600
QUALITY = 82


class PhotoError(ValueError):
    """Not a picture that can be kept; `hint` says what to try."""

    hint = "take it as JPEG or PNG, at most 20 MB and 50 megapixels"


def drawn(body: bytes) -> bytes:
    """A JPEG of the picture without anything else that was in its file; raises PhotoError."""
    if len(body) > BYTES:
        raise PhotoError("the picture is too large")
    if not body.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")):
        raise PhotoError("this is neither JPEG nor PNG")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(body), formats=("JPEG", "PNG"))
            if picture.width * picture.height > PIXELS:
                raise PhotoError("the picture has too many pixels")
            picture.draft("RGB", (2 * LONGEST_SIDE, 2 * LONGEST_SIDE))
            upright = ImageOps.exif_transpose(picture).convert("RGB")
    except (
        UnidentifiedImageError,
        OSError,
        SyntaxError,
        ValueError,
        Image.DecompressionBombError,
        Warning,
    ) as error:
        if isinstance(error, PhotoError):
            raise
        raise PhotoError("the picture cannot be read") from error
    upright.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    # A fresh picture of the same points: what hung on the old one (EXIF, comments, previews) stays behind.
    clean = Image.frombytes("RGB", upright.size, upright.tobytes())
    out = io.BytesIO()
    clean.save(out, "JPEG", quality=QUALITY, optimize=True)
    return out.getvalue()


def digest_of(body: bytes) -> bytes:
    """What proves that a picture is the one that was signed."""
    return hashlib.sha256(body).digest()
