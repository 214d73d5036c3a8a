"""`python -m bot` is `clinic-faq`."""

from bot.cli import main

main()
