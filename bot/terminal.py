"""The conversation in a terminal: what a patient would see on Telegram, with numbers in place of buttons."""

import sys
from collections.abc import Iterator
from html.parser import HTMLParser

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bot.handlers import Handlers
from bot.offline import Button, Sent, open_conversation
from faq.reply import Faq

_STYLES = {"b": "bold", "i": "italic", "code": "bold", "pre": "bold", "blockquote": "italic"}
_HINT = "Type a question, or a number to press a button; Ctrl-D ends."
# Wider lines are hard to read, and a phone is narrower still.
_WIDTH = 88


async def converse(faq: Faq) -> None:
    """Hold a conversation with whoever types, or answer each line of a pipe, until the input ends."""
    console = Console(highlight=False)
    buttons: tuple[Button, ...] = ()
    async with open_conversation(Handlers(faq)) as conversation:
        for line in _lines(console):
            pressed = _numbered(buttons, line)
            if pressed and pressed.data is None:
                _print(console, "", Text(f"opens {pressed.url}" if pressed.url else f"copied: {pressed.copy}", "dim"))
                continue
            for sent in await (conversation.press(pressed) if pressed else conversation.say(line)):
                _print(console, "Bot", _message(sent))
                buttons = sent.buttons


def _lines(console: Console) -> Iterator[str]:
    """Yield what is typed, line by line; lines from a pipe are shown, so that the conversation can be read."""
    typing = sys.stdin.isatty()
    if typing:
        console.print(_HINT, style="dim")
    while True:
        try:
            line = console.input("[bold green]You[/]  ") if typing else sys.stdin.readline()
        except EOFError:
            return
        if not typing:
            if not line:
                return
            _print(console, "You", Text(line.strip()))
        if line.strip():
            yield line.strip()


def _numbered(buttons: tuple[Button, ...], line: str) -> Button | None:
    return {str(number): button for number, button in enumerate(buttons, 1)}.get(line)


def _message(sent: Sent) -> Text:
    text = styled(sent.html)
    for number, button in enumerate(sent.buttons, 1):
        text.append(f"\n{number}", "bold cyan").append(f" {button.label}", "cyan")
    return text


def _print(console: Console, speaker: str, text: Text) -> None:
    row = Table.grid(padding=(0, 2))
    row.add_column(width=3, style="bold")
    row.add_column(max_width=_WIDTH, overflow="fold")
    row.add_row(speaker, text)
    console.print(row)
    if speaker == "Bot":
        console.print()


def styled(html: str) -> Text:
    """Return Telegram's HTML as text for a terminal."""
    styler = _Styler()
    styler.feed(html)
    styler.close()
    return styler.text


class _Styler(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.text = Text()
        self._styles: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        address = dict(attrs).get("href")
        self._styles.append(f"link {address}" if address else _STYLES[tag])

    def handle_endtag(self, tag: str) -> None:
        self._styles.pop()

    def handle_data(self, data: str) -> None:
        self.text.append(data, " ".join(self._styles) or None)
