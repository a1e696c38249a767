"""Decision problems as a subject: rows in, what became of every query out."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tegum.arrays import Artifact
from tegum.design import Factor, Row, check_rows, complete
from tegum.parallel import each_row
from tegum.planning import factors

if TYPE_CHECKING:
    from tegum.planning.outcome import Outcome
    from tegum.planning.problem import Problem


@dataclass(frozen=True)
class PlanningProblems:
    """Decision problems, each solved by the optimiser of its row.

    Without `problem` each row draws its own (see `tegum.planning.factors`): the seed is
    the map. With one, every row solves it, seeds differ in the data and the search, and
    the columns of the world fall away; give such a subject a name of its own.
    """

    name: str = "planning"
    problem: Problem | None = None
    law: int = 3

    @property
    def factors(self) -> Sequence[Factor]:
        """The columns it understands."""
        return factors.FACTORS if self.problem is None else factors.OPTIMISER_FACTORS

    @property
    def input_digests(self) -> dict[str, str]:
        """The digest of a problem that was given; part of every key."""
        return {} if self.problem is None else {"problem": self.problem.digest()}

    def complete(self, design: Iterable[Row]) -> list[dict[str, Any]]:
        """Every row with every factor, checked alone and together.

        Raises:
            ValueError: an unknown, missing or impossible value, naming the row, the
                value, the range and the remedy.
        """
        rows = complete(design, self.factors)
        check_rows(rows, factors.check_together)
        return rows

    def train(
        self,
        rows: Sequence[Row],
        *,
        workers: int,
        progress: Callable[[float], None],
        stop: Callable[[], bool],
    ) -> list[Artifact | None]:
        """Solve the problem of every row; None for those that `stop` cut short.

        A method that finds no solution is a row that says so.

        Raises:
            RowsFailed: rows whose problem can not be drawn or does not suit their
                method; the others are finished.
        """
        with _one_thread_of_torch(rows):
            return each_row(
                rows,
                functools.partial(_solved, problem=self.problem),
                workers=workers,
                progress=progress,
                stop=stop,
                failed="problems could not be solved as asked",
            )

    def core_seconds(self, row: Row) -> float:
        """About how long one core needs for a row."""
        states = _about_how_many_states(self.problem, row)
        work = 3e-6 * states
        if row["method"] == "fitted_q":
            work += 5e-7 * states * row["n_random_features"]
        if row["method"] not in factors.DIRECT and not row["complete"]:
            work += 2e-7 * row["steps"]
        if row["method"] == "neural_q":
            size = row["hidden_width"] * row["n_random_features"]
            work += row["gradient_steps"] * (4e-4 + 1e-8 * size)
        if row["method"] == "q_learning":
            work += 6e-8 * row["updates"]
        if row["pruning"] == "lazy":
            work += 3e-5 * states
        return 1e-3 + work

    def memory_bytes(self, row: Row) -> int:
        """About how much memory a row takes while it is solved and stored."""
        states = _about_how_many_states(self.problem, row)
        steps = 0 if row["complete"] else 100 * row["steps"]
        return 2**20 + 1000 * states + steps * (row["method"] not in factors.DIRECT)


def _solved(row: Row, *, problem: Problem | None) -> Artifact:
    """As `solve_row`; what lacks PyTorch fails alone, and leaves other rows be."""
    try:
        return solve_row(row, problem=problem)
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise ValueError(str(error)) from error


@contextlib.contextmanager
def _one_thread_of_torch(rows: Sequence[Row]) -> Iterator[None]:
    """One thread for PyTorch while rows need it, so that sums keep their order."""
    needed = any(row["method"] == "neural_q" for row in rows)
    if not needed or importlib.util.find_spec("torch") is None:
        yield
        return
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _about_how_many_states(problem: Problem | None, row: Row) -> int:
    if problem is not None:
        return problem.n_states
    match row["world"]:
        case "tree":
            return 2 * row["branching"] ** row["depth"]
        case "history":
            return 3 * row["size"] ** 2
        case _:
            return row["size"] ** 2


def solve_row(row: Row, *, problem: Problem | None = None) -> Artifact:
    """The artifact of one completed row.

    `solved`, `unwanted`, `clean` and `returned` say for each query what becomes of it
    (see `Execution`); `best` is the best possible return, `best_clean` the best without
    a risk of touching the unwanted (minus infinity where there is none), and
    `direct_unwanted` what the exact planner's way touches. `ledger` counts what was
    spent, in the order of `LEDGER_FIELDS`. `world` holds the numbers of states and of
    unwanted ones, the share of starts with a clean way, and how many drawings were
    rejected. `episodes` counts those of the data and those that touched the unwanted.
    `distance` is how far the policy is from the explorer's and from the exact
    planner's. With keep="board" everything that a picture needs is there too.

    Raises:
        ValueError: what the generator, the method or the procedure refuses.
    """
    from tegum.planning.exact import solve
    from tegum.planning.methods import draw_world, optimise
    from tegum.planning.outcome import one_hot, run
    from tegum.planning.problem import without

    clean_share, rejected = np.nan, 0
    if problem is None:
        drawn = draw_world(row)
        problem = drawn.problem
        clean_share, rejected = drawn.clean_share, drawn.rejected
    outcome = optimise(problem, row)
    exact = solve(problem)
    planner = one_hot(exact.action, n_actions=problem.n_actions)
    careful = solve(without(problem, problem.unwanted))
    starts, execution = problem.starts, outcome.execution
    arrays = {
        "solved": execution.solved,
        "unwanted": execution.unwanted,
        "clean": execution.clean,
        "returned": execution.returned,
        "best": exact.value[starts],
        "best_clean": careful.value[starts],
        "direct_unwanted": run(problem, planner).unwanted,
    }
    arrays = {name: array.astype(np.float32) for name, array in arrays.items()}
    certified = -1 if outcome.certified is None else int(outcome.certified)
    arrays |= {
        "ledger": outcome.ledger.to_array(),
        "ended": np.array([outcome.exhausted, certified], dtype=np.int64),
        "world": np.array(
            [problem.n_states, problem.unwanted.sum(), clean_share, rejected]
        ),
        "episodes": np.array(outcome.episodes or (0, 0), dtype=np.int64),
        "worst_return": np.array([problem.worst_return]),
        "distance": _distances(outcome, planner),
    }
    if row["keep"] == "board":
        arrays |= board(problem, outcome)
    return Artifact(arrays)


def _distances(outcome: Outcome, planner: np.ndarray) -> np.ndarray:
    """Mean total variation from the explorer's policy and from the exact planner's.

    `1/2 sum_a |p(a) - q(a)|`, averaged over states that the data cover (without data,
    over those with a policy). NaN where there is no policy or no data.
    """
    policy = outcome.policy
    if policy is None:
        return np.array([np.nan, np.nan])
    visits = policy if outcome.covered is None else outcome.covered
    known = visits.any(axis=1) & policy.any(axis=1) & planner.any(axis=1)
    from_planner = 0.5 * np.abs(policy - planner).sum(axis=1)[known]
    from_explorer = np.full(1, np.nan)
    if outcome.behaviour is not None:
        from_explorer = 0.5 * np.abs(policy - outcome.behaviour).sum(axis=1)[known]
    if not known.any():
        return np.array([np.nan, np.nan])
    return np.array([from_explorer.mean(), from_planner.mean()])


def board(problem: Problem, outcome: Outcome) -> dict[str, np.ndarray]:
    """What a picture of one problem shows: places, marks, touches, and the policy.

    `asked` are the states put to the oracle in order; `policy` is absent where what the
    optimiser does is no function of the state.
    """
    nothing = np.zeros(problem.n_states, dtype=np.int64)
    found = {
        "place": problem.place.astype(np.int64),
        "successor": problem.successor.astype(np.int64),
        "goal": problem.goal.astype(np.uint8),
        "unwanted_state": problem.unwanted.astype(np.uint8),
        "starts": problem.starts.astype(np.int64),
        "observation": problem.observation.astype(np.int64),
        "expanded": nothing if outcome.expanded is None else outcome.expanded,
        "asked": outcome.asked.astype(np.int64),
    }
    if not problem.deterministic:
        found["probability"] = problem.probability
    if outcome.covered is not None:
        found["covered"] = outcome.covered
    if outcome.policy is not None:
        found["policy"] = outcome.policy
    return found


__all__ = ["PlanningProblems", "board", "solve_row"]
