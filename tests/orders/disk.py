"""A disk for the tests of orders: what a ledger gave to be kept, as the journal would give it back."""

from weakref import WeakKeyDictionary

from primefixd.orders.keeping import Keeping, Kept, KeptExecution, KeptOrder
from primefixd.orders.ledger import Ledger


class Disk:
    def __init__(self) -> None:
        self.orders: dict[str, KeptOrder] = {}
        self.executions: list[KeptExecution] = []
        self.ids: list[str] = []

    def write(self, keeping: Keeping) -> None:
        self.orders |= {each.key: each for each in keeping.orders}
        self.executions += keeping.executions
        for gone in keeping.forgotten:
            self.orders.pop(gone.key, None)
            self.executions = [each for each in self.executions if each.key != gone.key]
            self.ids += gone.ids

    @property
    def kept(self) -> Kept:
        return Kept(orders=tuple(self.orders.values()), executions=tuple(self.executions), ids=tuple(self.ids))

    def restored(self) -> Ledger:
        ledger = Ledger()
        ledger.restore(self.kept)
        return ledger


_DISKS: WeakKeyDictionary[Ledger, Disk] = WeakKeyDictionary()


def restarted(ledger: Ledger) -> Ledger:
    """The ledger of a daemon that was killed after everything that `ledger` had to keep was on disk."""
    disk = _DISKS.setdefault(ledger, Disk())
    disk.write(ledger.keep())
    back = disk.restored()
    _DISKS[back] = Disk()
    _DISKS[back].write(Keeping(orders=disk.kept.orders, executions=disk.kept.executions))
    _DISKS[back].ids += disk.ids
    return back
