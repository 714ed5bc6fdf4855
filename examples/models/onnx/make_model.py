"""Trains the example: is a press sound, worn or leaking, by seven values that it sends.

What a data scientist would write: a scikit-learn pipeline with an imputer, a scaler, a one-hot
encoder for texts, and gradient boosting; exported by skl2onnx with its defaults, ZipMap included.

    pip install scikit-learn==1.2.1 numpy==1.24.2 skl2onnx==1.14.1 onnx==1.14.1
    python make_model.py                        # writes model.onnx and tests/samples.json
    python make_model.py --joblib model.joblib  # and the pipeline itself, for Python
"""

import argparse
import json
import os

import joblib
import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

HERE = os.path.dirname(os.path.abspath(__file__))
NUMBERS = ["temperature", "vibration", "pressure", "load", "rpm"]
TEXTS = ["mode", "oil"]
MODES = ["idle", "press", "clean"]
OILS = ["mineral", "synthetic"]


def readings(random, count):
    """Rows as the presses send them: sensors count in steps, and some values are missing."""
    temperature = np.round(random.normal(60, 12, count) * 16) / 16
    vibration = np.round(random.gamma(2.0, 1.5, count) * 64) / 64
    pressure = np.round(random.normal(180, 25, count) * 4) / 4
    load = np.round(random.uniform(0, 1, count) * 128) / 128
    rpm = np.round(random.normal(1450, 120, count))
    numbers = np.stack([temperature, vibration, pressure, load, rpm], axis=1)
    rows = np.empty((count, len(NUMBERS) + len(TEXTS)), dtype=object)
    rows[:, : len(NUMBERS)] = numbers
    rows[:, 5] = random.choice(MODES, count, p=[0.3, 0.6, 0.1])
    rows[:, 6] = random.choice(OILS, count)
    return rows


def verdicts(random, rows):
    temperature, vibration, pressure, load = (rows[:, i].astype(float) for i in range(4))
    busy = np.where(rows[:, 5] == "press", 1.0, 0.4)
    worn = vibration * busy + 0.06 * (temperature - 60) + random.normal(0, 0.8, len(rows)) > 4
    leaking = (pressure < 160) & (load > 0.35) & (rows[:, 5] != "clean")
    return np.where(leaking, "leaking", np.where(worn, "worn", "sound"))


def train():
    random = np.random.default_rng(5)
    rows = readings(random, 4000)
    labels = verdicts(random, rows)
    holes = random.uniform(size=(len(rows), len(NUMBERS))) < 0.02
    rows[:, : len(NUMBERS)][holes] = np.nan
    columns = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), [0, 1, 2, 3, 4]),
            ("texts", OneHotEncoder(handle_unknown="ignore"), [5, 6]),
        ]
    )
    forest = GradientBoostingClassifier(n_estimators=15, max_depth=3, random_state=5)
    return make_pipeline(columns, forest).fit(rows, labels)


def export(pipeline):
    """One input per value, so that they are found in an event by their names."""
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    types = [(name, FloatTensorType([None, 1])) for name in NUMBERS]
    types += [(name, StringTensorType([None, 1])) for name in TEXTS]
    model = to_onnx(pipeline, initial_types=types, target_opset={"": 15, "ai.onnx.ml": 3})
    return model.SerializeToString()


def event_of(row):
    values = [None if isinstance(value, float) and np.isnan(value) else value for value in row]
    return {"telemetry": dict(zip(NUMBERS + TEXTS, values))}


def samples(pipeline):
    rows = readings(np.random.default_rng(6), 8)
    rows[3, 1] = np.nan
    rows[4, 6] = "castor"  # never seen
    labels = pipeline.predict(rows)
    chances = pipeline.predict_proba(rows)
    for row, label, chance in zip(rows, labels, chances):
        verdict = {"verdict": label, "chance": dict(zip(pipeline.classes_, map(float, chance)))}
        yield {"event": event_of(row), "expect": verdict}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--joblib")
    options = parser.parse_args()
    pipeline = train()
    with open(os.path.join(HERE, "model.onnx"), "wb") as file:
        file.write(export(pipeline))
    with open(os.path.join(HERE, "tests", "samples.json"), "w") as file:
        json.dump(list(samples(pipeline)), file, indent=2)
        file.write("\n")
    if options.joblib:
        joblib.dump(pipeline, options.joblib, compress=9)


if __name__ == "__main__":
    main()
