"""Fits the model of this package and pickles it: `/usr/bin/python3 make_model.py` (scikit-learn).

Whether a machine is too hot for its humidity: "1" for yes. What it learns is made up, and the same
every time.
"""

import os
import pickle

import numpy as np
from sklearn.tree import DecisionTreeClassifier

HERE = os.path.dirname(os.path.abspath(__file__))


def main():
    random = np.random.default_rng(7)
    rows = random.uniform([0, 0], [250, 200], size=(500, 2)).round()
    labels = np.where(rows[:, 0] + 0.5 * rows[:, 1] > 180, "1", "0")
    model = DecisionTreeClassifier(max_depth=5, random_state=7).fit(rows, labels)
    with open(os.path.join(HERE, "model.pkl"), "wb") as file:
        pickle.dump(model, file, protocol=4)


if __name__ == "__main__":
    main()
