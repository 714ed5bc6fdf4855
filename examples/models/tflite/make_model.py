"""Converts the network of ../saved-model to TensorFlow Lite, and lets its interpreter answer.

    pip install tensorflow==2.21.0 ai-edge-litert==2.3.0 && python3 make_model.py

writes model.tflite and tests/samples.json.
"""

import json
import os
import sys

import numpy
import tensorflow
from ai_edge_litert.interpreter import Interpreter

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.join(HERE, os.pardir, "saved-model")
sys.path.insert(0, SOURCE)
sys.dont_write_bytecode = True

from make_model import POINTS, samples, write_samples  # noqa: E402


def main():
    converter = tensorflow.lite.TFLiteConverter.from_saved_model(SOURCE)
    data = converter.convert()
    with open(os.path.join(HERE, "model.tflite"), "wb") as file:
        file.write(data)
    with open(os.path.join(SOURCE, "tests", "samples.json")) as file:
        events = [sample["event"]["telemetry"] for sample in json.load(file)]
    rows = numpy.array([[event[point] for point in POINTS] for event in events], dtype="float32")
    runner = Interpreter(model_content=data).get_signature_runner()
    answers = [runner(features=row[None])["wear"][0, 0] for row in rows]
    write_samples(HERE, samples(rows, answers))


if __name__ == "__main__":
    main()
