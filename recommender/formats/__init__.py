"""Readers of files: one a format, each streaming records in bounded memory."""
