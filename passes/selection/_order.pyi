import numpy as np
import numpy.typing as npt

def greedy(
    log_sizes: npt.NDArray[np.float64],
    starts: npt.NDArray[np.int64],
    near: npt.NDArray[np.intc],
    *,
    fill: bool = False,
    noise: int = 0,
    give_up: float = ...,
    most: int = -1,
) -> tuple[npt.NDArray[np.intc], npt.NDArray[np.float64], int] | None: ...
