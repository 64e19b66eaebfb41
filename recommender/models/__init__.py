"""Models of who completes what: ``hybrid`` is the one that is published; all pass one contract."""
