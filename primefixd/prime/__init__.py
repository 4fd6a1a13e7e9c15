"""Coinbase Prime's dialect of FIX 4.2, and every venue fact."""
