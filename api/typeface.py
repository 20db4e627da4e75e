"""The typeface of a PDF: as much of Noto Sans SC as its text needs, to be embedded, so that any viewer shows Chinese."""

from __future__ import annotations

import io

from fontTools.fontBuilder import FontBuilder
from fontTools.pens.cu2quPen import Cu2QuPen
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTFont
from pylopdf_fonts_zh_cn import sans_path

NAME = {"familyName": "Noto Sans SC", "styleName": "Regular", "psName": "NotoSansSC-Regular"}
ERROR = 1.0
"""How far an outline may be off, in thousandths of the letter's height."""


def of(text: str) -> io.BytesIO:
    """A TrueType font of the characters of a text; one that the typeface does not have is drawn as a box.

    The typeface comes with cubic outlines (CFF), and reportlab embeds quadratic ones alone.
    """
    with TTFont(sans_path(), lazy=True) as source:
        known, drawn, head = source.getBestCmap(), source.getGlyphSet(), source["hhea"]
        shown = {code: known[code] for code in map(ord, text) if code in known}
        names = [".notdef", *sorted(set(shown.values()))]
        outlines = {}
        for name in names:
            pen = TTGlyphPen(None)
            drawn[name].draw(Cu2QuPen(pen, ERROR, reverse_direction=True))
            outlines[name] = pen.glyph()
        font = FontBuilder(source["head"].unitsPerEm, isTTF=True)
        font.setupGlyphOrder(names)
        font.setupCharacterMap(shown)
        font.setupGlyf(outlines)
        font.setupHorizontalMetrics({name: (drawn[name].width, outlines[name].xMin) for name in names})
        font.setupHorizontalHeader(ascent=head.ascent, descent=head.descent)
        font.setupNameTable(NAME)
        font.setupOS2(fsType=0)
        font.setupPost()
        out = io.BytesIO()
        font.save(out)
    out.seek(0)
    return out
