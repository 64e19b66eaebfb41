"""Checks between a reader and the store: raw records in, clean columns and rejections out."""
