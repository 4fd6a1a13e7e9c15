"""The journal's storage: SQLite files in the state folder. It keeps values and never looks inside them."""

from primefixd.runtime.store.store import Store, open_store
from primefixd.runtime.store.values import Batch, Note, Stored, StoredEvent, StoreRefused, Unwritable

__all__ = ["Batch", "Note", "Store", "StoreRefused", "Stored", "StoredEvent", "Unwritable", "open_store"]
