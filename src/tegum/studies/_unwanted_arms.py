"""The arms of the study of unwanted outcomes: what each fixes, and what is usual."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FEW, MANY = 10_000, 100_000
"""Steps of exploration: of so many, a dose is ten times the share of the other."""
USUAL: dict[str, Any] = {
    "world": "map",
    "size": 16,
    "wall_share": 0.15,
    "unwanted_share": 0.2,
    "coupling": 0.5,
    "patch": 0.0,
    "discount": 1.0,
    "method": "certainty_equivalent",
    "steps": MANY,
    "episode_length": 200,
    "leak": 1.0,
    "dose": None,
    "kept": "all",
    "memory": True,
    "prior": 1.0,
    "pessimism": 0.0,
    "updates": 100_000,
    "learning_rate": 0.0,
    "unseen": "excluded",
    "kernel_width": 0.08,
    "ridge": 1e-3,
    "n_random_features": 300,
    "gradient_steps": 3000,
    "support": "free",
    "pruning": "none",
    "oracle": "true",
    "keep": "queries",
}
"""Every factor that varies in the study, and its value unless an arm says otherwise."""

ARGMAX: dict[str, Any] = {"leak": 0.0, "dose": 0}
PESSIMIST = {**ARGMAX, "pessimism": 3.0}
CLONING = {**ARGMAX, "method": "behaviour_cloning", "prior": 0.001}
WITH_PRIOR = {**CLONING, "prior": 1.0}
Q = {"method": "q_learning", "learning_rate": 1.0, "updates": 300_000}
OPTIMIST = {**Q, "unseen": "zero", "leak": 0.0}
FITTED = {
    "method": "fitted_q",
    "kernel_width": 0.25,
    "ridge": 1e-7,
    "wall_share": 0.0,
    "unwanted_share": 0.1,
    "steps": 30_000,
    "leak": 0.0,
}
CONSTRAINED = {**FITTED, "support": "seen"}
OPEN_MAPS = {
    name: FITTED[name] for name in ("wall_share", "unwanted_share", "steps", "leak")
}
TABULAR = {**Q, **OPEN_MAPS}
"""Tabular Q-learning on the maps and the data that approximators get."""

NETWORK = {
    **OPEN_MAPS,
    "method": "neural_q",
    "kernel_width": 0.25,
    "n_random_features": 128,
    "gradient_steps": 5000,
}
"""Needs PyTorch, an extra."""

NETWORK_SEEN = {**NETWORK, "support": "seen"}
LONGER_STEPS = 20_000
HISTORY = {
    "world": "history",
    "discount": 0.999,
    "episode_length": 50,
    "memory": False,
    "kept": "clean",
}
"""So little is discounted that the best ways are the shortest ones still."""

REMEMBERING = {**HISTORY, "memory": True}
SHUFFLED = {"pruning": "eager", "oracle": "shuffled"}
RULES = (ARGMAX, PESSIMIST, CLONING, WITH_PRIOR)


def cell(arm: Mapping[str, Any], **factors: Any) -> dict[str, Any]:
    """All factors of an arm, those given last in place of its own."""
    return {**USUAL, **arm, **factors}
