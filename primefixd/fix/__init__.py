"""Any FIX 4.2 session, both roles: bytes in, events out. Knows neither the venue nor trio."""
