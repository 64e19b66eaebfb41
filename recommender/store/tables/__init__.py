"""The tables by subject; ``store.schema`` gathers them."""
