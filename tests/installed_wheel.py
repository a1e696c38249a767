"""Run against an installed wheel, away from the checkout: a study to its page.

`python tests/installed_wheel.py` exits with 0 if the installed tegum trains, judges
and writes a page. Neither pytest nor the checkout is needed.
"""

import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import tegum
from tegum import (
    GEOMETRY,
    TRAINING,
    Claim,
    Part,
    Store,
    Study,
    ToyModels,
    below,
    execute,
    grid,
    judge,
    paired_ratio,
    render,
)


def main() -> None:
    site = Path(sysconfig.get_path("purelib")).resolve()
    home = Path(tegum.__file__).resolve()
    assert site in home.parents, f"tegum comes from {home}, not from {site}"
    study = Study(
        name="installed",
        question="Does an installed wheel lower interference?",
        subject=ToyModels(),
        designs={
            "demo": grid(
                n_features=5,
                n_hidden=2,
                feature_probability=0.1,
                noise="dropout",
                rate=[0.0, 0.5],
                learning_rate=0.01,
                steps=1000,
                batch_size=128,
                seeds=12,
            )
        },
        measures=[GEOMETRY, TRAINING],
        claims=[
            Claim(
                "falls",
                "Dropout lowers interference.",
                [
                    Part(
                        paired_ratio(
                            "total_interference",
                            factor="rate",
                            treated=0.5,
                            control=0.0,
                            where={},
                        ),
                        below(0.9),
                    )
                ],
                reason="A tenth.",
                source="A check of the wheel.",
            )
        ],
        alpha=0.05,
    )
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(Path(folder) / "store")
        results = execute(study, store)
        verdicts = judge(study, store)
        assert verdicts[0].word == "supported", verdicts[0].describe()
        page = Path(folder) / "page.html"
        render(study, results, verdicts, store=store, path=page, design="demo")
        assert page.stat().st_size > 1_000_000
        command = Path(sys.executable).parent / "tegum"
        arguments = ["run", "dropout-and-superposition", "--where", "seed=2200"]
        subprocess.run(
            [command, *arguments, "--where", "rate=0.5", "--store", folder + "/demo"],
            check=True,
        )
    print("the installed wheel trains, judges and writes a page")


if __name__ == "__main__":
    main()
