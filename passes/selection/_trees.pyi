import numpy as np
import numpy.typing as npt

def grow_trees(
    distance: npt.NDArray[np.float64],
    terminals: npt.NDArray[np.intc],
    branch: npt.NDArray[np.float64],
    cost: npt.NDArray[np.float64],
) -> None: ...
