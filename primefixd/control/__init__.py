"""The local WebSocket that programs on this machine trade through."""
