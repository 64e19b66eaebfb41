"""A time of day at which something is done, kept through changed clocks and long sleeps."""
