"""Makes the Parquet files beside it with pandas and pyarrow, for the reader's tests.

python make_tables.py
"""

import decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

n = 40
numbers = {t: (np.arange(n) % 7).astype(t) for t in ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"]}
numbers["u4"][0] = 2**32 - 1
numbers["u8"][0] = 2**64 - 1
numbers["i8"][:2] = -(2**63), 2**53 + 1
numbers["f8"] += 1 / 3
table = pa.Table.from_pandas(
    pd.DataFrame(numbers, index=np.arange(n)[::-1].copy())
    .sample(frac=1, random_state=0)
    .sort_values("i1", kind="stable")
)
pq.write_table(table, "numbers.parquet", compression="snappy", row_group_size=30)
plain = table.drop_columns(["__index_level_0__"]).replace_schema_metadata()
encodings = {name: "BYTE_STREAM_SPLIT" if name[0] == "f" else "DELTA_BINARY_PACKED" for name in plain.column_names}
pq.write_table(
    plain,
    "encodings.parquet",
    compression="zstd",
    use_dictionary=False,
    column_encoding=encodings,
    data_page_version="2.0",
    write_page_checksum=True,
    store_schema=False,
)
np.save("numbers.npy", table.drop_columns(["__index_level_0__"]).to_pandas().astype("f8").to_numpy())

for compression in ["gzip", "brotli", "lz4"]:
    pq.write_table(
        pa.table({"x": np.arange(n) % 7 / 8}),
        f"{compression}.parquet",
        compression=compression,
        use_dictionary=False,
        store_schema=False,
    )

amounts = [decimal.Decimal(text) for text in ["12345678901234.56", "-0.07", "0.30"]]
pq.write_table(
    pa.table({"amount": pa.array(amounts, pa.decimal128(20, 2)), "price": pa.array(amounts, pa.decimal128(38, 20))}),
    "decimals.parquet",
    store_schema=False,
)
pq.write_table(pa.table({"bytes": pa.array([1, 2, 255, 0], pa.uint8())}), "bytes.parquet", store_schema=False)
others = {
    "text": ["a", "b"],
    "flag": [True, False],
    "time": pa.array([1, 2], pa.timestamp("ns")),
    "date": pa.array([1, 2], pa.date32()),
    "list": [[1], [2, 3]],
    "record": [{"x": 1}, {"x": 2}],
    "missing": [1.5, None],
}
for name, values in others.items():
    pq.write_table(pa.table({"a": [1.0, 2.0], name: values}), f"{name}.parquet", store_schema=False)
