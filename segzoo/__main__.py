"""`python -m segzoo` does what `segzoo` does."""

from segzoo.cli import main

main()
