"""Tables with classes and holes, beside what scikit-learn makes of their numbers: penguins, cars and movies of vega-datasets.

A fifth of a table's rows, drawn by a seed, is held out. Writes to a folder, for each table, NAME-train.json, NAME-rows.json (held
out, all numbers known), NAME-numbers.json (these with the classes taken away), NAME-classes.json (with the numbers taken away),
NAME-holes.json (held out, a fifth of the numbers taken away) and NAME-truth.json (what was taken). Prints a line of JSON a table:
the mean -log P of NAME-numbers under a mixture of Gaussians of the numbers alone, of probabilities of cells, by rows whose numbers
are all known, spread by chance over their cells; and the root mean square errors of two imputers.

python3 table_peers.py TABLES FOLDER SEED
"""

import json
import random
import sys
import warnings

import numpy as np
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer
from sklearn.mixture import GaussianMixture

warnings.filterwarnings("ignore")
HELD_OUT, HOLES, DRAWS, FOLDS = 0.2, 0.2, 32, 5

# The numbers of each table and what they are rounded to; of movies without the one that three quarters of the rows lack.
TABLES = {
    "penguins": {"Beak Length (mm)": 0.1, "Beak Depth (mm)": 0.1, "Flipper Length (mm)": 1, "Body Mass (g)": 25},
    "cars": {
        **{"Miles_per_Gallon": 0.1, "Cylinders": 1, "Displacement": 0.5},
        **{"Horsepower": 1, "Weight_in_lbs": 1, "Acceleration": 0.1},
    },
    "movies": {
        **{"US Gross": 1, "Worldwide Gross": 1, "Production Budget": 1, "Running Time min": 1},
        **{"Rotten Tomatoes Rating": 1, "IMDB Rating": 0.1, "IMDB Votes": 1},
    },
}
ALSO_NUMBERS = ["US DVD Sales"]


def matrix(rows, columns):
    return np.array([[np.nan if row.get(c) is None else float(row[c]) for c in columns] for row in rows])


def mixture_nll(train, test, steps, seed):
    """Components and regularisation by cross-validation."""
    chance = np.random.RandomState(seed)
    spread = lambda x: x + (chance.rand(*x.shape) - 0.5) * steps
    known = spread(train[~np.isnan(train).any(1)])
    mean, scale = known.mean(0), known.std(0)
    z, order = (known - mean) / scale, chance.permutation(len(known))
    parts = np.array_split(order, FOLDS)

    def judged(k, least):
        scores = []
        for f in range(FOLDS):
            rest = np.concatenate([part for g, part in enumerate(parts) if g != f])
            scores.append(GaussianMixture(k, reg_covar=least, random_state=seed).fit(z[rest]).score(z[parts[f]]))
        return np.mean(scores)

    tried = [(k, least) for k in (1, 2, 3, 4, 6, 8, 12, 16) for least in (1e-6, 1e-4, 1e-2) if 12 * k <= len(z)]
    k, least = max(tried, key=lambda one: judged(*one))
    fitted = GaussianMixture(k, reg_covar=least, n_init=5, random_state=seed).fit(z)
    constant = np.log(scale).sum() - np.log(steps).sum()
    nll = np.mean([constant - fitted.score_samples((spread(test) - mean) / scale) for _ in range(DRAWS)], 0)
    return {"nll": nll.mean(), "stderr": nll.std() / len(nll) ** 0.5, "components": k, "rows": len(nll)}


def main(tables, folder, seed):
    seed = int(seed)
    for name, steps in TABLES.items():
        rows, columns, chance = json.load(open(f"{tables}/{name}.json")), list(steps), random.Random(seed)
        chance.shuffle(rows)
        end = int(HELD_OUT * len(rows))
        test, train = rows[:end], rows[end:]
        numbers = columns + ALSO_NUMBERS
        known = [
            {c: v for c, v in row.items() if c not in ALSO_NUMBERS} for row in test if all(row.get(c) is not None for c in columns)
        ]
        holes, truth = [dict(row) for row in test], []
        for i, row in enumerate(holes):
            for c in columns:
                if row.get(c) is not None and chance.random() < HOLES:
                    truth.append([i, c, row[c]])
                    row[c] = None
        written = {
            **{"train": train, "rows": known, "holes": holes, "truth": truth},
            "numbers": [{c: v if c in numbers else None for c, v in row.items()} for row in known],
            "classes": [{c: None if c in numbers else v for c, v in row.items()} for row in known],
        }
        for part, value in written.items():
            json.dump(value, open(f"{folder}/{name}-{part}.json", "w"))
        a, b = matrix(train, columns), matrix(holes, columns)
        mean, scale = np.nanmean(a, 0), np.nanstd(a, 0)
        errors = {}
        for peer, imputer in {
            "IterativeImputer": IterativeImputer(max_iter=30, random_state=seed),
            "KNNImputer": KNNImputer(n_neighbors=5),
        }.items():
            filled = imputer.fit((a - mean) / scale).transform((b - mean) / scale) * scale + mean
            errors[peer] = {
                c: float(np.sqrt(np.mean([(filled[i, k] - value) ** 2 for i, own, value in truth if own == c])))
                for k, c in enumerate(columns)
            }
        nll = mixture_nll(a, matrix(known, columns), np.array(list(steps.values())), seed)
        print(json.dumps({"table": name, "mixture": nll, "errors": errors}), flush=True)


main(*sys.argv[1:])
