"""Everything that speaks SQL: tables, views, transactions, reading and writing."""
