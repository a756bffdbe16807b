"""Reads a table with pandas and standardises it; prints the seconds and the peak memory as JSON.

    python read_peer.py FILE.csv
"""
import json
import resource
import sys
import time

import numpy as np
import pandas as pd

start = time.time()
values = pd.read_csv(sys.argv[1], float_precision="round_trip").to_numpy()
data = ((values - values.mean(0)) / values.std(0)).astype(np.float32)
seconds = time.time() - start
start = time.time()
pd.read_csv(sys.argv[1])
fast = time.time() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
print(json.dumps({"peer": f"pandas {pd.__version__}", "rows": len(data), "seconds": seconds,
                  "seconds_not_exact": fast, "peak_mb": peak}))
