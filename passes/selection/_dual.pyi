import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Starts = npt.NDArray[np.int64]
Indices = npt.NDArray[np.intc]

class Messages:
    def __init__(
        self,
        size: Indices,
        ends: Indices,
        tables: Array,
        down_at: Starts,
        up_at: Starts,
        near_starts: Starts,
        near: Indices,
        cost_at: Starts,
        costs: Array,
        given_at: Starts,
        given: Array,
    ) -> None: ...
    def sweep(self) -> None: ...
    def bound(self) -> float: ...
    def excesses(self) -> Array: ...
    def settle(self, table_at: Starts, target: Array) -> None: ...
    def round(self, states: Indices) -> None: ...

def restrict(
    size: Indices,
    cost_at: Starts,
    ends: Indices,
    table_at: Starts,
    entries: Array,
    keep_starts: Starts,
    keep: Indices,
    cost_to: Starts,
    table_to: Starts,
    target: Array,
) -> None: ...
def supported(
    size: Indices,
    cost_at: Starts,
    ends: Indices,
    table_at: Starts,
    entries: Array,
    near_starts: Starts,
    near: Indices,
    mark_at: Starts,
    alive: npt.NDArray[np.int8],
) -> None: ...
