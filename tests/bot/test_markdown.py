"""What staff write in Markdown is shown as Telegram can show it."""

import pytest

from bot.markdown import LONGEST_ANSWER, UnshowableError, refusal, to_html


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("one\ntwo", "one two"),
        ("one\n\ntwo", "one\n\ntwo"),
        ("one  \ntwo", "one\ntwo"),
        ("**bold** and *thin*", "<b>bold</b> and <i>thin</i>"),
        ("# Title\n\ntext", "<b>Title</b>\n\ntext"),
        ("- one\n- two\n  - deep", "• one\n• two\n   • deep"),
        ("2. two\n3. three", "2. two\n3. three"),
        ("1. first\n\n2. second", "1. first\n2. second"),
        ("> said", "<blockquote>said</blockquote>"),
        ("`x < 1`", "<code>x &lt; 1</code>"),
        ("```\na < b\n```", "<pre>a &lt; b</pre>"),
        ("    four spaces", "<pre>four spaces</pre>"),
        ("a\n\n---\n\nb", "a\n\n———\n\nb"),
        ("[the & page](https://a.org/?x=1&y=2)", '<a href="https://a.org/?x=1&amp;y=2">the &amp; page</a>'),
        ("write to <me@a.org> or [me@a.org](mailto:me@a.org)", "write to me@a.org or me@a.org"),
        ("5 < 6 & <b>no tag</b>", "5 &lt; 6 &amp; &lt;b&gt;no tag&lt;/b&gt;"),
    ],
)
def test_markdown_becomes_telegrams_html(markdown, html):
    assert to_html(markdown) == html


@pytest.mark.parametrize(
    ("markdown", "reason"),
    [
        ("![a needle](needle.png)", "can't show a picture"),
        ("[call](tel:123)", "goes nowhere"),
        ("[us](contact.html)", "goes nowhere"),
        ("[us](mailto:me@a.org)", "Write the address itself: me@a.org"),
        ("x" * (LONGEST_ANSWER + 1), "Shorten it"),
        ("😀" * (LONGEST_ANSWER // 2 + 1), "Shorten it"),  # Telegram counts such a character twice
        ("", "empty"),
        ("# ", "empty"),
        ("[](https://a.org)", "empty"),
        ("\u200b", "empty"),
    ],
)
def test_what_telegram_cannot_show_is_refused_with_a_reason(markdown, reason):
    assert reason in refusal(markdown)


@pytest.mark.parametrize("markdown", ["x" * LONGEST_ANSWER, "&" * LONGEST_ANSWER, "**" + "x" * 2990 + "**"])
def test_what_fits_is_not_refused(markdown):
    assert refusal(markdown) is None


def test_an_unshowable_text_is_never_rendered():
    with pytest.raises(UnshowableError):
        to_html("![x](y)")
