import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

class BucketTree:
    done: int
    constant: float
    def __init__(
        self,
        size: npt.NDArray[np.intc],
        cost_at: npt.NDArray[np.int64],
        ends: npt.NDArray[np.intc],
        table_at: npt.NDArray[np.int64],
        entries: Array,
        order: npt.NDArray[np.intc],
        keep_all: bool,
    ) -> None: ...
    def forward(self, until: int) -> None: ...
    def residual(self) -> list[tuple[tuple[int, ...], Array]]: ...
    def decode(self, states: npt.NDArray[np.intc]) -> None: ...
    def marginals(self) -> Array: ...
