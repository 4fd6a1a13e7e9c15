"""An imitation of the venue, for rehearsal and tests; shares none of the daemon's order code."""
