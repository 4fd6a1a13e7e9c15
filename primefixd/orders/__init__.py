"""What was asked and what was told: the pure picture of orders. Knows no FIX."""
