"""The HTTP interface: routes call one flow each; errors become problems in one table."""
