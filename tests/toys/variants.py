"""The model variants, each by itself and some together, for the engine's tests.

Sizes divide by 2, the groups' size, and probabilities make half of them active at most.
"""

PAIRS = {"group_size": 2, "feature_probability": 0.4}
VARIANTS = {
    "untied": {"decoder": "untied"},
    "hidden relu": {"hidden_activation": "relu"},
    "absolute": {"target": "absolute", "feature_values": "signed_uniform"},
    "no bias": {"bias": "none"},
    "signed": {"feature_values": "signed_uniform"},
    "correlated": {"activity": "correlated", **PAIRS},
    "anticorrelated": {"activity": "anticorrelated", **PAIRS},
    "exactly k": {"activity": "exactly_k", "feature_probability": 0.5},
    "linear output": {"output": "linear", "decoder": "untied"},
}
COMBINATIONS = {
    "absolute value model": {
        "decoder": "untied",
        "hidden_activation": "relu",
        "target": "absolute",
        "feature_values": "signed_uniform",
    },
    "hidden relu, signed pairs": {
        "hidden_activation": "relu",
        "feature_values": "signed_uniform",
        "activity": "correlated",
        **PAIRS,
    },
    "untied, no bias, exactly k": {
        "decoder": "untied",
        "bias": "none",
        "activity": "exactly_k",
        "feature_probability": 0.5,
    },
    "everything": {
        "decoder": "untied",
        "hidden_activation": "relu",
        "target": "absolute",
        "bias": "none",
        "feature_values": "signed_uniform",
        "activity": "anticorrelated",
        **PAIRS,
    },
}
