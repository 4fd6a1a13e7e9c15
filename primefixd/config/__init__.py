"""The configuration file: YAML into the settings of each layer, every mistake told at once by file, line and key.

`load` is all that others need. Nothing here opens a port or reads a clock.
"""

from primefixd.config.loading import ConfigError, Loaded, Settings, load, state_dir_of

__all__ = ["ConfigError", "Loaded", "Settings", "load", "state_dir_of"]
