from collections.abc import Callable, Sequence

from numpy import ndarray

EVENT_LIMIT: float
SMALL_MODEL: int
KERNELS: list[str]

class Job:
    def __init__(
        self,
        *,
        W: ndarray,
        b: ndarray,
        probability: ndarray,
        importance: ndarray,
        loss_steps: ndarray,
        loss: ndarray,
        checkpoint_steps: ndarray,
        W_history: ndarray,
        b_history: ndarray,
        rotation: ndarray,
        decoder: ndarray,
        decoder_history: ndarray,
        rectified: bool,
        absolute: bool,
        biased: bool,
        two_sided: bool,
        activity: str,
        group: int,
        active: int,
        noise: str,
        output: str,
        optimiser: str,
        schedule: str,
        kernel: str,
        rate: float,
        noise_std: float,
        learning_rate: float,
        momentum: float,
        weight_decay: float,
        hidden_l1: float,
        beta1: float,
        beta2: float,
        epsilon: float,
        batch_size: int,
        steps: int,
        data_key: int,
        mask_key: int,
        evaluation_key: int,
        evaluation_examples: int,
    ) -> None: ...
    @property
    def finished(self) -> bool: ...
    @property
    def diverged_at_step(self) -> int: ...
    def workspace_bytes(self, instruction_set: str = "") -> int: ...

def available_instruction_sets() -> list[str]: ...
def train(
    jobs: Sequence[Job],
    cost: Sequence[float],
    *,
    workers: int,
    progress: Callable[[float], None],
    stop: Callable[[], bool],
    instruction_set: str,
) -> BaseException | None: ...
def replay(
    job: Job, *, first: int, x: ndarray, noise: ndarray, instruction_set: str = ""
) -> None: ...
def gradient(
    job: Job,
    *,
    step: int,
    dW: ndarray,
    db: ndarray,
    ddecoder: ndarray,
    instruction_set: str = "",
) -> None: ...
def clean_loss(job: Job, *, instruction_set: str = "") -> float: ...
def multiply_add(rounds: int, *, instruction_set: str = "") -> float: ...
