"""Code that loads a pickled estimator beside it, as packages of pyboot do: {"t": 188, "h": 134} in, "1" out."""

import os

import joblib

MODEL = joblib.load(os.path.join(os.path.dirname(os.path.abspath(__file__)), "model.pkl"))


def handler(event, context):
    return MODEL.predict([[event["t"], event["h"]]])[0]
