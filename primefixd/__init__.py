"""primefixd: keeps FIX sessions to Coinbase Prime alive and carries orders between them and local programs."""
