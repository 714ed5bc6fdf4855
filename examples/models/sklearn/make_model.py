"""Fits the model of this package and writes it: `/usr/bin/python3 make_model.py` (scikit-learn).

A pump is watched by three sensors. What the model learns is made up, and the same every time.
"""

import json
import os

import joblib
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

HERE = os.path.dirname(os.path.abspath(__file__))


def readings(count, seed):
    """Rows of temperature, vibration and current, and what became of the pump."""
    random = np.random.default_rng(seed)
    rows = random.normal([60, 3, 12], [12, 1.5, 3], size=(count, 3))
    strain = (rows[:, 0] - 60) / 12 + (rows[:, 1] - 3) / 1.5 + random.normal(0, 0.4, count)
    return rows, np.where(strain > 1.5, "fault", np.where(strain > 0.3, "wear", "good"))


def main():
    rows, verdicts = readings(600, seed=5)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
    model.fit(rows, verdicts)
    joblib.dump(model, os.path.join(HERE, "model.joblib"), compress=3)
    samples = []
    for row in readings(4, seed=6)[0].round(2).tolist():
        event = {"telemetry": dict(zip(("temperature", "vibration", "current"), row))}
        chances = dict(zip(model.classes_, model.predict_proba([row])[0].tolist()))
        result = {"verdict": model.predict([row])[0], "chances": chances}
        samples.append({"event": event, "expect": result})
    os.makedirs(os.path.join(HERE, "tests"), exist_ok=True)
    with open(os.path.join(HERE, "tests", "samples.json"), "w") as file:
        json.dump(samples, file, indent=2)
        file.write("\n")


if __name__ == "__main__":
    main()
