"""Plugins that are wrong on purpose, each in the way that its first line says, for `segzoo.testing` to find.

`Right...` are those of which the others are made. Like real plugins they import nothing heavy at the top.
"""
