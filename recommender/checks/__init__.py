"""What operators are told: findings about the database, the machine, keys, and readiness."""
