"""The trio shell: reads, paces, ticks and writes around the pure core."""
