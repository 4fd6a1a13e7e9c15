"""Whether, where, how fast and when a message may leave: pure decisions, time is an argument."""
