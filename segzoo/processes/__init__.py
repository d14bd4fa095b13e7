"""Threads, processes and the terminal."""
