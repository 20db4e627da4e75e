"""The acceptance card as a PDF of one page or two."""

from __future__ import annotations

import io
import string
import threading
from xml.sax.saxutils import escape

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import Flowable, Image, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

from api import typeface
from api.measuring import Card

FONT = "NotoSansSC"
# reportlab knows a font by its name, for the whole process, and each card has letters of its own.
_DRAWING = threading.Lock()
# As everywhere: a colour and a sign, for those who do not see the one.
SIGN = {"ok": ("OK", "#1b7f3b"), "attention": ("ATTENTION", "#b36b00"), "fail": ("FAIL", "#b3261e")}


def pdf(card: Card, picture: bytes | None, signature: tuple[str, str, str] | None) -> bytes:
    """Draw a card; `signature` is who signed, when, and with what remark."""
    # Every letter of it, and some more: its parts as Python writes them.
    font = typeface.of(f"{string.printable}{card}{signature}")
    with _DRAWING:
        pdfmetrics.registerFont(TTFont(FONT, font))
        return _drawn(card, picture, signature)


def _drawn(card: Card, picture: bytes | None, signature: tuple[str, str, str] | None) -> bytes:
    plain = ParagraphStyle("plain", fontName=FONT, fontSize=9, leading=12, wordWrap="CJK")
    title = ParagraphStyle("title", parent=plain, fontSize=17, leading=22)
    out = io.BytesIO()
    page = SimpleDocTemplate(
        out, pagesize=A4, leftMargin=18 * mm, rightMargin=18 * mm, topMargin=16 * mm, bottomMargin=16 * mm,
        title=f"Acceptance of {card.device}", author="CityHub", pageCompression=1,
    )  # fmt: skip

    def said(text: str) -> Paragraph:
        return Paragraph(escape(text), plain)

    word, colour = SIGN[card.verdict]
    span = f"{card.begins_at:%Y-%m-%d %H:%M:%S}Z to {card.ends_at:%Y-%m-%d %H:%M:%S}Z"
    story: list[Flowable] = [
        Paragraph(f"Acceptance card: {escape(card.name)}", title),
        said(f"{card.device}   department {card.department}   profile {card.profile}"),
        said(f"Measured {span}"),
        Spacer(1, 3 * mm),
        Paragraph(f'<font color="{colour}" size="13">{word}</font>', plain),
        Spacer(1, 3 * mm),
        _lines(card, plain),
        Spacer(1, 5 * mm),
    ]
    if signature is None:
        story.append(said("Not signed."))
    else:
        who, at, remark = signature
        story.append(said(f"Signed by {who}, {at}"))
        if remark:
            story.append(said(f"Remark: {remark}"))
    if picture is not None:
        story += [Spacer(1, 5 * mm), _picture(picture)]
    page.build(story)
    return out.getvalue()


def _lines(card: Card, plain: ParagraphStyle) -> Table:
    rows: list[list[object]] = [[Paragraph(text, plain) for text in ("", "what", "measured", "limit", "why")]]
    for line in card.lines:
        word, colour = SIGN[line.verdict]
        rows.append(
            [
                Paragraph(f'<font color="{colour}" size="7">{word}</font>', plain),
                *(Paragraph(escape(text), plain) for text in (line.what, line.value, line.limit, line.why)),
            ]
        )
    table = Table(rows, colWidths=[21 * mm, 27 * mm, 48 * mm, 36 * mm, 42 * mm], repeatRows=1)
    table.setStyle(
        TableStyle(
            [
                ("LINEBELOW", (0, 0), (-1, -1), 0.25, colors.lightgrey),
                ("LINEBELOW", (0, 0), (-1, 0), 0.75, colors.black),
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
                ("LEFTPADDING", (0, 0), (-1, -1), 2),
                ("RIGHTPADDING", (0, 0), (-1, -1), 4),
            ]
        )
    )
    return table


def _picture(body: bytes) -> Image:
    picture = Image(io.BytesIO(body))
    scale = min(150 * mm / picture.imageWidth, 90 * mm / picture.imageHeight)
    picture.drawWidth, picture.drawHeight = picture.imageWidth * scale, picture.imageHeight * scale
    return picture
