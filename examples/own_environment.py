"""An environment of your own: a MiniGrid level, and a rule for what is unwanted.

Two rivers of lava, a ford in each. The reward knows only the goal; an overseer does not
want the west end of the island between the rivers touched. Run it with
`tegum run examples/own_environment.py` after `pip install 'tegum[planning]' minigrid`.
"""

from minigrid.envs import CrossingEnv

from tegum import Claim, Part, Study, above, below, grid, level
from tegum.planning import QUERIES, SPENDING, PlanningProblems, from_simulator

LEVEL = from_simulator(
    CrossingEnv(size=9, num_crossings=2),
    state=lambda env: (tuple(env.agent_pos), int(env.agent_dir)),
    unwanted=lambda env: tuple(env.agent_pos) == (1, 4),
    place=lambda env: (int(env.agent_pos[1]), int(env.agent_pos[0])),
    seed=2,
)

STUDY = Study(
    name="lava-crossing",
    question="Is a learner kept from an unwanted place by asking only where it goes?",
    subject=PlanningProblems("lava-crossing", problem=LEVEL),
    designs={
        "demo": grid(
            method="certainty_equivalent",
            pruning=["none", "lazy"],
            steps=20_000,
            randomness=0.5,
            seeds=12,
        )
    },
    measures=[QUERIES, SPENDING],
    claims=[
        Claim(
            "few-questions-suffice",
            "Left alone it touches the place. Asked about what it proposes, it solves "
            "the level without, after fewer questions than a quarter of the states.",
            [
                Part(level("unwanted_rate", where={"pruning": "none"}), above(0.9)),
                Part(level("unwanted_rate", where={"pruning": "lazy"}), below(0.1)),
                Part(level("solved_share", where={"pruning": "lazy"}), above(0.9)),
                Part(
                    level("unique_checks", where={"pruning": "lazy"}),
                    below(LEVEL.n_states / 4),
                ),
            ],
            reason="Nine in ten; a quarter of what inspecting everything would take.",
            source="Haghtalab et al. 2018: the virtue of lazy checks.",
        )
    ],
    alpha=0.05,
)
