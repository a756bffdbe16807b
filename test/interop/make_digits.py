"""scikit-learn's digits with uniform noise of a step, as tables with the label last: 1,500 to train on and 297 others.

    python make_digits.py FOLDER
"""
import sys
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

x, y = load_digits(return_X_y=True)
x = x + np.random.default_rng(0).uniform(-0.5, 0.5, x.shape)
parts = train_test_split(x, y, test_size=297, random_state=0, stratify=y)
header = ",".join([f"p{k}" for k in range(64)] + ["label"])
for name, values, labels in [("train", parts[0], parts[2]), ("test", parts[1], parts[3])]:
    rows = np.c_[values, labels]
    np.savetxt(f"{sys.argv[1]}/{name}.csv", rows, delimiter=",", header=header, comments="", fmt=["%.5f"] * 64 + ["%d"])
