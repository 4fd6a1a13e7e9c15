"""The journal's storage: SQLite files in the state folder. It keeps values and never looks inside them."""

from primefixd.runtime.store.values import Batch, Note, Stored, StoredEvent, StoreRefused, Unwritable

__all__ = ["Batch", "Note", "StoreRefused", "Stored", "StoredEvent", "Unwritable"]
