"""Trains the wear of a spindle bearing, and exports the same network for TensorFlow and for Keras.

    pip install tensorflow==2.21.0 && python3 make_model.py

writes saved_model.pb and variables/ here and ../keras/model.keras, and beside each of them in
tests/samples.json what TensorFlow itself answers. ../tflite and ../tfjs convert what this writes.
"""

import json
import os
import shutil

import keras
import numpy

HERE = os.path.dirname(os.path.abspath(__file__))
KERAS = os.path.join(HERE, os.pardir, "keras")
POINTS = ("vibration", "temperature", "speed", "load")
# From 2 mm/s, 55 °C, 3,000/min and half of the load on, with what is usual around it.
MEAN, DEVIATION = [2.0, 55.0, 3000.0, 0.5], [1.0, 12.0, 600.0, 0.25]
SAMPLES = 8
# Of 32 bits, and added up in another order on another processor.
TOLERANCE = {"absolute": 1e-5}


def measurements(random, count):
    # Of few binary digits: a text that is parsed gives exactly these.
    values = random.normal(MEAN, DEVIATION, size=(count, len(POINTS)))
    return (numpy.round(values * 64) / 64).astype("float32")


def wear(rows):
    vibration, temperature, speed, load = ((rows - MEAN) / DEVIATION).T
    return numpy.tanh(vibration + 0.5 * load) + 0.3 * temperature + 0.1 * speed


def train(random):
    normalize = keras.layers.Normalization(mean=MEAN, variance=numpy.square(DEVIATION))
    features = keras.Input((len(POINTS),), name="features")
    hidden = keras.layers.Dense(8, activation="tanh")(normalize(features))
    output = keras.layers.Dense(1, name="wear")(hidden)
    rows = measurements(random, 2048)
    model = keras.Model({"features": features}, {"wear": output})
    model.compile("adam", "mse")
    model.fit({"features": rows}, {"wear": wear(rows)[:, None]}, epochs=20, verbose=0)
    model.compile()  # what the training needed is not saved with it
    return model


def samples(rows, answers):
    texts = []
    for row, answer in zip(rows, answers):
        event = {"telemetry": dict(zip(POINTS, map(float, row)))}
        sample = {"event": event, "expect": {"wear": float(answer)}, "tolerance": TOLERANCE}
        texts.append(json.dumps(sample))
    return "[\n  %s\n]\n" % ",\n  ".join(texts)


def write_samples(folder, text):
    os.makedirs(os.path.join(folder, "tests"), exist_ok=True)
    with open(os.path.join(folder, "tests", "samples.json"), "w") as file:
        file.write(text)


def main():
    keras.utils.set_random_seed(5)
    random = numpy.random.default_rng(5)
    model = train(random)
    export = os.path.join(HERE, "export")
    model.export(export, verbose=False)
    shutil.rmtree(os.path.join(HERE, "variables"), ignore_errors=True)
    for name in ("saved_model.pb", "variables"):
        shutil.move(os.path.join(export, name), os.path.join(HERE, name))
    shutil.rmtree(export)
    model.save(os.path.join(KERAS, "model.keras"))
    rows = measurements(random, SAMPLES)
    answers = model({"features": rows})["wear"].numpy()[:, 0]
    for folder in (HERE, KERAS):
        write_samples(folder, samples(rows, answers))


if __name__ == "__main__":
    main()
