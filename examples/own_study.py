"""A study of your own: does an L1 penalty do what dropout is said to do?

Run it with `tegum run examples/own_study.py`; it takes a few seconds.
"""

from tegum import (
    GEOMETRY,
    TRAINING,
    Claim,
    Part,
    Study,
    ToyModels,
    below,
    grid,
    paired_ratio,
)

STUDY = Study(
    name="l1-and-interference",
    question="Does an L1 penalty on the hidden layer lower interference?",
    subject=ToyModels(),
    designs={
        "demo": grid(
            n_features=6,
            n_hidden=2,
            feature_probability=0.1,
            hidden_l1=[0.0, 0.003],
            learning_rate=3e-3,
            schedule="cosine",
            steps=4000,
            batch_size=256,
            seeds=24,
        )
    },
    measures=[GEOMETRY, TRAINING],
    claims=[
        Claim(
            "interference-falls",
            "A penalty of 0.003 takes away at least a tenth of total interference.",
            [
                Part(
                    paired_ratio(
                        "total_interference",
                        factor="hidden_l1",
                        treated=0.003,
                        control=0.0,
                        where={},
                    ),
                    below(0.9),
                )
            ],
            reason="A tenth is more than seeds differ by chance.",
            source="Elhage et al. 2022: L1 on activations removes superposition.",
        )
    ],
    alpha=0.05,
)
