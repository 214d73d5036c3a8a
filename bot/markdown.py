"""Turning Markdown into the HTML that Telegram takes."""

import re
import unicodedata
from functools import lru_cache
from html import escape, unescape

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

# Telegram takes 4,096 characters a message (UTF-16 units, without the tags). A text leaves some of them for what may
# stand beside it; whether the whole message fits, bot/pages.py looks at.
LONGEST_ANSWER = 3000

_markdown = MarkdownIt("commonmark", {"html": False})
_INLINE_TAGS = {"strong": "b", "em": "i"}
# What is shown as it was written.
_CODE = re.compile(r"<(code|pre)>.*?</\1>", re.DOTALL)


class UnshowableError(ValueError):
    """Markdown that Telegram has no form for; says what and what to write instead."""


@lru_cache(maxsize=1024)
def to_html(markdown: str) -> str:
    """Return the Markdown as Telegram's HTML, or raise UnshowableError."""
    return _blocks(SyntaxTreeNode(_markdown.parse(markdown)), "\n\n")


def refusal(markdown: str) -> str | None:
    """Return why this Markdown cannot be shown to a patient, or None if it can."""
    try:
        html = to_html(markdown)
    except UnshowableError as error:
        return str(error)
    if (counted := length(html)) > LONGEST_ANSWER:
        return f"It is {counted} characters long, more than {LONGEST_ANSWER}. Shorten it, or make two entries of it."
    if "**" in _CODE.sub("", html):
        return "Its `**` would be shown as it stands. Put two stars before and behind what is bold: **bold**"
    return "It is empty once rendered. Write some text." if is_blank(_text(html)) else None


def length(html: str) -> int:
    """Return how many characters of Telegram's HTML count: UTF-16 units of what is shown."""
    return len(_text(html).encode("utf-16-le")) // 2


def _text(html: str) -> str:
    return unescape(re.sub(r"<[^>]*>", "", html))


def is_blank(text: str) -> bool:
    """Tell whether nothing of a text can be seen."""
    return all(character.isspace() or unicodedata.category(character) in ("Cc", "Cf") for character in text)


def link(address: str, label: str) -> str:
    """Return a link with a label that is HTML already."""
    return f'<a href="{escape(address)}">{label}</a>'


def _blocks(parent: SyntaxTreeNode, between: str) -> str:
    return between.join(_block(node) for node in parent.children)


def _block(node: SyntaxTreeNode) -> str:
    match node.type:
        case "paragraph":
            return _inlines(node)
        case "heading":
            return f"<b>{_inlines(node)}</b>"
        case "bullet_list":
            return "\n".join(f"• {_item(item)}" for item in node.children)
        case "ordered_list":
            first = int(node.attrGet("start") or 1)
            return "\n".join(f"{number}. {_item(item)}" for number, item in enumerate(node.children, first))
        case "blockquote":
            return f"<blockquote>{_blocks(node, chr(10))}</blockquote>"
        case "fence" | "code_block":
            return f"<pre>{escape(node.content.rstrip(), quote=False)}</pre>"
        case _:  # a thematic break is all that CommonMark without HTML still has
            return "———"


def _item(node: SyntaxTreeNode) -> str:
    return _blocks(node, "\n").replace("\n", "\n   ")


def _inlines(node: SyntaxTreeNode) -> str:
    return "".join(_inline(child) for inline in node.children for child in inline.children).strip()


def _inline(node: SyntaxTreeNode) -> str:
    match node.type:
        case "text":
            return escape(node.content, quote=False)
        case "strong" | "em":
            tag = _INLINE_TAGS[node.type]
            return f"<{tag}>{''.join(map(_inline, node.children))}</{tag}>"
        case "code_inline":
            return f"<code>{escape(node.content, quote=False)}</code>"
        case "link":
            return _checked_link(str(node.attrGet("href")), "".join(map(_inline, node.children)))
        case "softbreak":
            return " "
        case "hardbreak":
            return "\n"
        case _:
            raise UnshowableError("Telegram can't show a picture within a text. Describe it, or link to it.")


def _checked_link(address: str, label: str) -> str:
    if address.startswith("mailto:"):
        if address == f"mailto:{label}":
            return label  # Telegram makes it a link by itself
        raise UnshowableError(f"Telegram opens no links to e-mail. Write the address itself: {address[7:]}")
    if not address.startswith(("https://", "http://", "tg://")):
        raise UnshowableError(f"The link to `{address}` goes nowhere. Begin its address with https://.")
    return link(address, label)
