"""Anomalies of scikit-learn's breast cancer (benign rows are usual) and digits (each class in turn is left out), scored by
five of its detectors. Writes NAME-train.csv and NAME-test.csv, whose column odd says which rows are anomalies, to a folder,
and prints a line of JSON for each set: the area under each detector's ROC curve.

python3 anomaly_peers.py FOLDER
"""

import json
import sys
import warnings

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

warnings.filterwarnings("ignore")
SEED = 0


def sets():
    cancer = load_breast_cancer()
    yield "cancer", cancer.data, cancer.target == 0, [name.replace(" ", "_") for name in cancer.feature_names]
    digits = load_digits()
    for c in range(10):
        yield f"digits-{c}", digits.data, digits.target == c, [f"pixel_{i}" for i in range(64)]


def mixture(a):
    """Components, covariances and their regularisation by a fifth of the rows, then fitted to all."""
    end = int(0.8 * len(a))
    tried = [
        GaussianMixture(k, covariance_type=kind, reg_covar=least, random_state=SEED).fit(a[:end])
        for k in (1, 2, 4, 8)
        for kind in ("full", "diag")
        for least in (1e-3, 1e-1)
    ]
    return max(tried, key=lambda one: one.score(a[end:])).fit(a)


def scores(a, b):
    yield "isolation forest", -IsolationForest(random_state=SEED).fit(a).score_samples(b)
    yield "local outlier factor", -LocalOutlierFactor(novelty=True, n_neighbors=20).fit(a).score_samples(b)
    yield "one-class SVM", -OneClassSVM(gamma="scale", nu=0.1).fit(a).score_samples(b)
    yield "Gaussian mixture", -mixture(a).score_samples(b)
    yield "5 neighbours", NearestNeighbors(n_neighbors=5).fit(a).kneighbors(b)[0].mean(1)


def write(path, header, rows):
    with open(path, "w") as file:
        file.write(header + "\n" + "\n".join(rows) + "\n")


def main(folder):
    for name, data, is_odd, columns in sets():
        usual = np.where(~is_odd)[0]
        np.random.RandomState(SEED).shuffle(usual)
        end = int(0.8 * len(usual))
        train, test = data[usual[:end]], np.r_[data[usual[end:]], data[is_odd]]
        odd = np.r_[np.zeros(len(usual) - end), np.ones(is_odd.sum())]
        text = (lambda v: f"{v:.0f}") if name != "cancer" else (lambda v: repr(float(v)))
        lines = lambda rows: [",".join(map(text, row)) for row in rows]
        write(f"{folder}/{name}-train.csv", ",".join(columns), lines(train))
        labels = ["yes" if is_it else "no" for is_it in odd]
        write(f"{folder}/{name}-test.csv", ",".join(columns) + ",odd", [f"{a},{b}" for a, b in zip(lines(test), labels)])
        scale = StandardScaler().fit(train)
        found = {peer: float(roc_auc_score(odd, own)) for peer, own in scores(scale.transform(train), scale.transform(test))}
        print(json.dumps({"set": name, "peers": found}), flush=True)


main(sys.argv[1])
