"""Writes files of data in every format that is read here, with the libraries that people write them with, and what
those libraries read back.

    python make_data_files.py FOLDER

FOLDER/cases.json lists the files: {file, name} with {shape, values: a file of float64, columns?, notes?: a pattern of
the notes} or {refused: a pattern of the reason}.
"""

import decimal, gzip, io, json, os, struct, sys, zipfile, zlib

import h5py, numpy as np, pandas as pd, pyarrow as pa, pyarrow.parquet as pq, scipy.io, torch
from PIL import Image, ImageCms, ImageOps
from safetensors.torch import load_file, save_file

os.chdir(sys.argv[1])
rng = np.random.default_rng(0)
cases = []


def read(file, values, name="", columns=None, notes=None, options=None):
    """The file is read as these values."""
    values = np.asarray(values)
    stored = f"{len(cases)}.f8"
    np.ascontiguousarray(values.astype("<f8")).tofile(stored)
    case = {"file": file, "name": name, "shape": list(values.shape), "values": stored}
    cases.append(
        case | {key: value for key, value in (("columns", columns), ("notes", notes), ("options", options)) if value}
    )


def refuse(file, pattern, name=""):
    """The file is refused for a reason that matches."""
    cases.append({"file": file, "name": name, "refused": pattern})


def numbers(dtype, shape=(7, 3)):
    """Values of a type, its extremes among them."""
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        x = (rng.normal(size=shape) * 3).astype(dtype)
        x.flat[:3] = np.finfo(dtype).max, np.finfo(dtype).tiny, -0.0
        return x
    info = np.iinfo(dtype)
    x = rng.integers(0, 100, shape).astype(dtype)
    x.flat[:3] = info.max, info.min, info.max // 3
    return x


INTEGERS = ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"]
TYPES = INTEGERS + ["f2", "f4", "f8"]
SECONDS = 1.7e9 + rng.normal(size=(50, 2))

# NPY
for order in "<>":
    for t in TYPES:
        file = f"{'big' if order == '>' else 'little'}_{t}.npy"
        np.save(file, numbers(t).astype(order + t))
        read(file, np.load(file))
for shape in [(5,), (4, 3, 2), (2, 3, 4, 5), (0, 3)]:
    file = f"shape{len(shape)}_{shape[0]}.npy"
    np.save(file, numbers("f4", shape) if shape[0] else np.zeros(shape))
    read(file, np.load(file))
for t in ["f8", ">i2", "u1"]:
    file = f"fortran_{t[-2:]}.npy"
    np.save(file, np.asfortranarray(numbers(t, (5, 4, 3))))
    read(file, np.load(file))
np.save("offset.npy", SECONDS)
read("offset.npy", np.load("offset.npy"))
for version in [(2, 0), (3, 0)]:
    with open(f"version{version[0]}.npy", "wb") as f:
        np.lib.format.write_array(f, numbers("f4"), version=version)
    read(f"version{version[0]}.npy", np.load(f"version{version[0]}.npy"))
for name, x, pattern in [
    ("complex", np.zeros(3, "c8"), "'<c8', expected integers or floats"),
    ("bool", np.zeros(3, "?"), r"'\|b1', expected integers or floats"),
    ("text", np.array(["a", "b"]), "'<U1', expected"),
    ("object", np.array([1, None], dtype=object), r"'\|O', expected"),
    ("records", np.zeros(3, [("a", "f4")]), "records, expected"),
    ("time", np.zeros(3, "M8[s]"), r"'<M8\[s\]', expected"),
    ("longdouble", np.zeros(3, "f16"), "'<f16', expected"),
]:
    np.save(f"{name}.npy", x)
    refuse(f"{name}.npy", pattern)

# NPZ
arrays = {t: numbers(t) for t in TYPES} | {
    "fortran": np.asfortranarray(numbers("f8")),
    "big": numbers(">f4"),
    "time": SECONDS,
}
np.savez("stored.npz", **arrays)
np.savez_compressed("deflated.npz", **arrays, flags=np.zeros(3, "?"), **{"a/b": numbers("f4", (300, 40))})
for file in ["stored.npz", "deflated.npz"]:
    loaded = np.load(file)
    for name in arrays:
        read(file, loaded[name], name)
read("deflated.npz", np.load("deflated.npz")["a/b"], "a/b")
refuse("deflated.npz", r"'\|b1', expected", "flags")
refuse("deflated.npz", 'has no array "nothing"', "nothing")


class Pipe(io.RawIOBase):
    """A stream that cannot go back, into which zipfile writes sizes after the contents."""

    def __init__(self, file):
        self.file = file

    def writable(self):
        return True

    def write(self, b):
        return self.file.write(b)


buffer = io.BytesIO()
np.save(buffer, arrays["f8"])
for file, method in [
    ("streamed.npz", zipfile.ZIP_DEFLATED),
    ("bzip2.npz", zipfile.ZIP_BZIP2),
    ("lzma.npz", zipfile.ZIP_LZMA),
]:
    with open(file, "wb") as f, zipfile.ZipFile(Pipe(f), "w", method) as z:
        z.writestr("x.npy", buffer.getvalue())
read("streamed.npz", np.load("streamed.npz")["x"], "x")
refuse("bzip2.npz", "compressed in another way than deflate", "x")
refuse("lzma.npz", "compressed in another way than deflate", "x")

# HDF5
with h5py.File("plain.h5", "w") as f:
    for t in TYPES:
        f[t] = numbers(t)
        f["big_" + t] = numbers(t).astype(">" + t)
    f["time"] = SECONDS
    f["a/deep/path"] = numbers("f4", (4, 3, 2, 2))
    f.create_dataset("compact", data=numbers("f8", (3, 2)))
    f.create_dataset("gzip", data=numbers("f8", (300, 5)), chunks=(70, 3), compression=9)
    f.create_dataset(
        "shuffle", data=numbers("i4", (300, 5)), chunks=(70, 5), compression=4, shuffle=True, fletcher32=True
    )
    f.create_dataset("scaled", data=rng.integers(0, 100, (300, 5)), chunks=(50, 5), scaleoffset=0)
    f.create_dataset("resizable", data=numbers("u1", (9, 2, 4, 4)), chunks=(2, 2, 4, 4), maxshape=(None, 2, 4, 4))
    f.create_dataset("filled", shape=(20, 3), chunks=(4, 3), dtype="f4", fillvalue=2.5)[8:12] = 1
    f.create_dataset("lzf", data=numbers("f4", (30, 5)), chunks=(10, 5), compression="lzf")
    f["flags"] = np.zeros(4, "?")
    f["text"] = ["a", "b"]
    f["records"] = np.zeros(3, [("a", "f4"), ("b", "i4")])
    f["complex"] = np.zeros(3, "c8")
    f["long"] = np.zeros(3, "f16")
    f["scalar"] = 3.0
with h5py.File("plain.h5") as f:
    for name in (
        TYPES
        + ["big_" + t for t in TYPES]
        + ["time", "a/deep/path", "compact", "gzip", "shuffle", "scaled", "resizable", "filled"]
    ):
        read("plain.h5", f[name][()], name)
for name, pattern in [
    ("lzf", "lzf"),
    ("flags", "flags"),
    ("text", "text"),
    ("records", "records"),
    ("complex", "complex"),
    ("long", "long"),
    ("scalar", "single number or empty"),
    ("nothing", "nothing"),
]:
    refuse("plain.h5", pattern, name)
with h5py.File("latest.hdf5", "w", libver="latest", userblock_size=1024) as f:
    f.create_dataset("x", data=numbers("f4", (100, 3)), chunks=(9, 3), compression=1, track_order=True)
with h5py.File("latest.hdf5") as f:
    read("latest.hdf5", f["x"][()], "x")
with h5py.File("links.h5", "w") as f:
    f["x"] = h5py.SoftLink("/inner/y")
    f["inner/y"] = numbers("f4")
    f["loop"] = h5py.SoftLink("/loop")
    f["nowhere"] = h5py.ExternalLink("absent.h5", "/x")
with h5py.File("links.h5") as f:
    read("links.h5", f["x"][()], "x")
refuse("links.h5", "", "nowhere")
with h5py.File("virtual.h5", "w") as f:
    layout = h5py.VirtualLayout((7, 3), "f8")
    layout[:] = h5py.VirtualSource("plain.h5", "f8", (7, 3))
    f.create_virtual_dataset("x", layout)
refuse("virtual.h5", "data of other files", "x")

# MATLAB: 7.3 is HDF5 with reversed axes; SciPy writes what is before it.
matrix, cube = numbers("f8", (6, 2)), numbers("u1", (5, 4, 3))
with h5py.File("new.mat", "w", userblock_size=512) as f:
    for name, x in [("matrix", matrix), ("cube", cube)]:
        f.create_dataset(name, data=x.T).attrs["MATLAB_class"] = np.bytes_("double" if x.dtype == "f8" else "uint8")
with open("new.mat", "r+b") as f:
    f.write(
        b"MATLAB 7.3 MAT-file, Platform: GLNXA64, Created on: Thu Jan  1 00:00:00 1970 HDF5 schema 1.00 .".ljust(116)
        + bytes(8)
        + b"\0\2IM"
    )
read("new.mat", matrix, "matrix", notes="reversed")
read("new.mat", cube, "cube", notes="reversed")
read("new.mat", matrix.T, "matrix", options={"transpose": "off"})
for version in "45":
    scipy.io.savemat(f"old{version}.mat", {"x": matrix}, format=version)
    refuse(f"old{version}.mat", r"-v7\.3", "x")
scipy.io.savemat("packed.mat", {"x": matrix}, do_compression=True)
refuse("packed.mat", r"before 7\.3.*-v7\.3", "x")

# safetensors
tensors = {
    name: torch.from_numpy(numbers(t))
    for name, t in [("F64", "f8"), ("F32", "f4"), ("F16", "f2"), ("I64", "i8"), ("I32", "i4"), ("U8", "u1")]
}
tensors |= {"BF16": torch.randn(4, 3).bfloat16(), "time": torch.from_numpy(SECONDS), "one": torch.randn(9)}
save_file(tensors, "x.safetensors", metadata={"format": "pt"})
for name, x in load_file("x.safetensors").items():
    read("x.safetensors", x.double().numpy() if x.is_floating_point() else x.numpy(), name)

# PyTorch
everything = {t: torch.from_numpy(numbers(t)) for t in ["i1", "i2", "i4", "i8", "u1", "f2", "f4", "f8"]}
everything |= {
    "bf": torch.randn(5, 2).bfloat16(),
    "turned": torch.randn(3, 4).t(),
    "part": torch.randn(20, 3)[3::4],
    "image": torch.randn(2, 3, 4, 4),
    "channels": torch.randn(2, 3, 4, 5).contiguous(memory_format=torch.channels_last),
    "time": torch.from_numpy(SECONDS),
}
torch.save(everything | {"flags": torch.zeros(3, dtype=torch.bool), "epoch": 3}, "dictionary.pt")
loaded = torch.load("dictionary.pt", weights_only=True)
for name in everything:
    read(
        "dictionary.pt",
        loaded[name].double().numpy() if loaded[name].is_floating_point() else loaded[name].numpy(),
        name,
    )
refuse("dictionary.pt", "holds booleans", "flags")
torch.save(everything["f8"], "tensor.pt")
read("tensor.pt", torch.load("tensor.pt", weights_only=True).numpy())
torch.save((everything["u1"], everything["i8"][:, 0].clone()), "tuple.pth")
read("tuple.pth", torch.load("tuple.pth", weights_only=True)[0].numpy(), "0")
read("tuple.pth", torch.load("tuple.pth", weights_only=True)[1].numpy(), "1")
torch.save([everything["f4"]], "list.pt")
read("list.pt", torch.load("list.pt", weights_only=True)[0].numpy(), "0")
torch.save(everything["f4"], "legacy.pt", _use_new_zipfile_serialization=False)
refuse("legacy.pt", r"before PyTorch 1\.6")
torch.save(np.zeros(3), "numpy.pt")
refuse("numpy.pt", "asks for .*numpy.*Nothing was run")
torch.save(torch.zeros(3, dtype=torch.complex64), "complex.pt")
refuse("complex.pt", "ComplexFloatStorage")
torch.save("text", "text.pt")
refuse("text.pt", "holds no tensor")
torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), "script.pt")
refuse("script.pt", "TorchScript")
torch.save(torch.zeros(4, 4).to_sparse(), "sparse.pt")
refuse("sparse.pt", "asks for")

# Parquet
frame = pd.DataFrame(
    {t: numbers(t, 500) for t in TYPES} | {"time": SECONDS[:, 0].repeat(10), "few": rng.integers(0, 4, 500)}
)
table, columns = pa.Table.from_pandas(frame, preserve_index=False), list(frame)
settings = {c: {"compression": c} for c in ["none", "snappy", "gzip", "zstd", "lz4", "brotli"]} | {
    "plain": {"use_dictionary": False},
    "groups": {"row_group_size": 77},
    "v2": {"data_page_version": "2.0", "data_page_size": 500},
    "checksums": {"write_page_checksum": True, "data_page_size": 500},
    "old": {"version": "1.0"},
    "split": {"use_dictionary": False, "column_encoding": {c: "BYTE_STREAM_SPLIT" for c in frame}},
    "delta": {
        "use_dictionary": False,
        "column_encoding": {c: "DELTA_BINARY_PACKED" for c in frame if frame[c].dtype.kind in "iu"},
    },
    "index": {"write_page_index": True, "store_schema": False},
}
for name, options in settings.items():
    pq.write_table(table, f"{name}.parquet", **options)
    back = pq.read_table(f"{name}.parquet").to_pandas()
    read(f"{name}.parquet", np.stack([back[c].to_numpy().astype("f8") for c in back], 1), columns=columns)
pq.write_table(table.cast(pa.schema([field.with_nullable(False) for field in table.schema])), "required.parquet")
read("required.parquet", np.stack([frame[c].to_numpy().astype("f8") for c in frame], 1), columns=columns)
pair = pd.DataFrame({"a": rng.normal(size=9), "b": np.arange(9.0)}, index=rng.permutation(9))
pair.to_parquet("unnamed_index.parquet")
read("unnamed_index.parquet", pair, columns=["a", "b"], notes="__index_level_0__.*left out")
pair.rename_axis("key").to_parquet("named_index.parquet")
read("named_index.parquet", pair, columns=["a", "b"], notes='"key".*left out')
pair.set_index(pd.Index(list("abcdefghi"))).to_parquet("text_index.parquet")
read("text_index.parquet", pair, columns=["a", "b"], notes="left out")
pair.to_parquet("range_index.parquet", index=False)
read("range_index.parquet", pair, columns=["a", "b"])
amounts = [decimal.Decimal(text) for text in ["12345678901234.56", "-0.07", "0.30", "99999999999999.99"]]
for file, options in [("decimals", {}), ("integer_decimals", {"store_decimal_as_integer": True})]:
    pq.write_table(
        pa.table({"x": pa.array(amounts, pa.decimal128(18, 2)), "y": pa.array(amounts, pa.decimal256(60, 30))}),
        f"{file}.parquet",
        **options,
    )
    read(f"{file}.parquet", np.array([[float(a), float(a)] for a in amounts]), columns=["x", "y"])
pq.write_table(pa.table({"x": pa.array([1, 2, 1], pa.int16()).dictionary_encode()}), "category.parquet")
read("category.parquet", [[1.0], [2.0], [1.0]])
for name, values, pattern in [
    ("text", ["a", "b"], '"text" holds text'),
    ("binary", [b"a", b"b"], '"binary" holds text or bytes'),
    ("flag", [True, False], '"flag" holds true or false'),
    ("stamp", pa.array([1, 2], pa.timestamp("us", tz="UTC")), '"stamp" holds timestamps'),
    ("date", pa.array([1, 2], pa.date32()), '"date" holds dates'),
    ("clock", pa.array([1, 2], pa.time32("ms")), '"clock" holds dates or times'),
    ("list", [[1], [2, 3]], '"list" holds lists'),
    ("record", [{"x": 1}, {"x": 2}], '"record" holds lists or records'),
    ("null", pa.nulls(2), '"null" holds'),
    ("missing", [None, 2.0], 'nothing in column "missing", row 0'),
]:
    pq.write_table(pa.table({"a": [1.0, 2.0], name: values}), f"{name}.parquet")
    refuse(f"{name}.parquet", pattern)
pq.write_table(
    pa.table({"a": [1.0, 2.0], "stamp": pa.array([1, 2], pa.timestamp("ns"))}),
    "old_stamp.parquet",
    use_deprecated_int96_timestamps=True,
)
refuse("old_stamp.parquet", '"stamp" holds timestamps')
pd.DataFrame({"a": [1.0, 2.0], "gap": pd.to_timedelta([1, 2], unit="s")}).to_parquet("gap.parquet")
refuse("gap.parquet", '"gap" holds times')
pd.DataFrame({"a": [1.0, np.nan]}).to_parquet("nan.parquet")
refuse("nan.parquet", 'nothing in column "a", row 1')

# CSV
points = rng.normal(size=(30, 2)) * [1, 1e6]
named = pd.DataFrame(points, columns=["alpha", "beta"])


def csv(file, text, encoding="utf-8", pack=False, **extra):
    data = text.encode(encoding)
    with open(file, "wb") as f:
        f.write(gzip.compress(data) if pack else data)
    if extra.get("values") is not None:
        read(file, extra.pop("values"), **extra)


text = named.to_csv(index=False)
csv("plain.csv", text, values=points, columns=["alpha", "beta"])
csv("bom.csv", text, "utf-8-sig", values=points, columns=["alpha", "beta"])
csv("utf16.csv", text, "utf-16", values=points, columns=["alpha", "beta"])
csv("utf16be.csv", "\ufeff" + text, "utf-16-be", values=points, columns=["alpha", "beta"])
csv("latin1.csv", text.replace("alpha", "größe"), "latin-1", values=points)
csv("windows.csv", text.replace("\n", "\r\n"), values=points, columns=["alpha", "beta"])
csv("packed.csv.gz", text, pack=True, values=points, columns=["alpha", "beta"])
csv("index.csv", named.to_csv(), values=points, columns=["alpha", "beta"], notes="index")
csv("semicolon.csv", named.to_csv(index=False, sep=";"), values=points, columns=["alpha", "beta"])
csv("excel.csv", "sep=;\n" + named.to_csv(index=False, sep=";"), values=points, columns=["alpha", "beta"])
decimals = named.to_csv(index=False, sep=";", decimal=",")
csv("decimal.csv", decimals, values=points, columns=["alpha", "beta"], notes="decimal commas")
csv("tab.tsv", named.to_csv(index=False, sep="\t"), values=points, columns=["alpha", "beta"])
csv("headless.csv", named.to_csv(index=False, header=False), values=points, notes="no header")
csv("quoted.csv", named.to_csv(index=False, quoting=1), values=points, columns=["alpha", "beta"])
csv("trailing.csv", "\n".join(line + "," for line in text.splitlines()), values=points, columns=["alpha", "beta"])
csv(
    "years.csv", pd.DataFrame(points, columns=[2020, 2021]).to_csv(index=False), values=points, columns=["2020", "2021"]
)
csv("seconds.csv", pd.DataFrame(SECONDS, columns=["a", "b"]).to_csv(index=False), values=SECONDS, columns=["a", "b"])
csv("long.csv", "a,b\n" + "".join(f"{x:.25e},{y:.30f}\n" for x, y in points), values=points, columns=["a", "b"])
for delimiter, file in [(" ", "spaces.txt"), ("\t", "tabs.txt"), (",", "commas.txt")]:
    np.savetxt(file, points, delimiter=delimiter)
    read(file, np.loadtxt(file, delimiter=delimiter))
np.savetxt("comment.dat", points, header="alpha beta")
read("comment.dat", np.loadtxt("comment.dat"))
np.savetxt("packed.txt.gz", points)
read("packed.txt.gz", np.loadtxt("packed.txt.gz"))
for file, text, pattern in [
    ("nan.csv", "a,b\n1,2\nnan,4\n", '"nan" in line 3, column 1'),
    ("empty_cell.csv", "a,b\n1,2\n3,\n", "line 3, column 2"),
    ("word.csv", "a,b\n1,2\nx,4\n", '"x" in line 3, column 1'),
    ("short.csv", "a,b\n1,2\n3\n", "line 3 has 1 column"),
    ("doubtful.csv", "a;b\n1,500;2\n", '"1,500" in line 2'),
    ("thousands.csv", 'a,b\n"1,500",2\n', '"1,500" in line 2'),
    ("nothing.csv", "", "no rows"),
]:
    csv(file, text)
    refuse(file, pattern)

# IDX
CODES = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}
for t, code in CODES.items():
    x = numbers(t, (6, 4, 5))
    data = bytes([0, 0, code, 3]) + struct.pack(">3I", *x.shape) + x.astype(">" + t).tobytes()
    with open(f"{t}-images.idx3-{t}.idx", "wb") as f:
        f.write(data)
    with gzip.open(f"{t}-images-idx3-ubyte.gz", "wb") as f:
        f.write(data)
    read(f"{t}-images.idx3-{t}.idx", x)
    read(f"{t}-images-idx3-ubyte.gz", x)
with open("t10k-labels-idx1-ubyte", "wb") as f:
    f.write(bytes([0, 0, 8, 1]) + struct.pack(">I", 9) + bytes(range(9)))
read("t10k-labels-idx1-ubyte", np.arange(9))
with open("short-idx1-ubyte", "wb") as f:
    f.write(bytes([0, 0, 8, 1]) + struct.pack(">I", 10) + bytes(range(9)))
refuse("short-idx1-ubyte", "but it has 17")

# Pictures
y, x = np.mgrid[:37, :53]
colour = np.stack([y * 6 % 256, x * 4 % 256, (y + x) * 3 % 256], -1).astype("u1")
colour[:, :, 0] ^= rng.integers(0, 8, (37, 53), dtype="u1")
grey, opaque = colour[:, :, 0].copy(), np.full((37, 53), 255, "u1")


def first(a):
    """Channels first, as the one picture of a file."""
    return a[None, None] if a.ndim == 2 else a.transpose(2, 0, 1)[None]


def picture(file, image, mode=None, notes=None, **options):
    image.save(file, **options)
    back = Image.open(file)
    read(file, first(np.asarray(back.convert(mode) if mode else back)), notes=notes)


I = Image.fromarray
picture("rgb.png", I(colour))
picture("grey.png", I(grey))
picture("bits1.png", I(grey > 100), "L")
picture("grey16.png", I(rng.integers(0, 65536, (37, 53)).astype("u2")))
picture("palette.png", I(colour).quantize(200), "RGB")
picture("palette4.png", I(colour).quantize(16), "RGB", bits=4)
picture("palette1.png", I(colour).quantize(2), "RGB", bits=1)
picture("opaque.png", I(np.dstack([colour, opaque])), "RGB", "opaque alpha channel left out")
picture("opaque_grey.png", I(np.dstack([grey, opaque])), "L", "opaque alpha channel left out")
picture("profile.png", I(colour), icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes())
for quality, subsampling in [(100, 0), (90, 1), (75, 2), (10, 2)]:
    picture(f"q{quality}.jpg", I(colour), quality=quality, subsampling=subsampling)
picture("progressive.jpeg", I(colour), progressive=True, optimize=True)
picture("grey.jpg", I(grey))
picture("restart.jpg", I(colour), restart_marker_blocks=3)
picture("palette_grey.png", I(grey).quantize(256), "L")
for orientation in range(1, 9):
    turned = Image.Exif()
    turned[0x112] = orientation
    for ending, options in [("jpg", {"quality": 95}), ("png", {}), ("webp", {"lossless": True})]:
        file = f"turned{orientation}.{ending}"
        I(colour).save(file, exif=turned, **options)
        upright = np.asarray(ImageOps.exif_transpose(Image.open(file)))
        read(file, first(upright), notes="turned upright" if orientation > 1 else None)


def fitted(image, size):
    """What ImageOps.fit gives before it rounds, rounded."""
    channels = [I(c.astype("f4")) for c in np.atleast_3d(image).transpose(2, 0, 1)]
    return np.floor(np.stack([ImageOps.fit(c, size, Image.BILINEAR) for c in channels])[None] + 0.5)


for size in [(16, 16), (9, 30), (106, 20), (200, 200)]:
    file = f"size{size[0]}.png"
    I(colour).save(file)
    read(file, fitted(colour, size), options={"size": {"width": size[0], "height": size[1]}}, notes="resized to")
picture("lossy.webp", I(colour), quality=60)
picture("lossless.webp", I(colour), lossless=True)
picture("opaque.webp", I(np.dstack([colour, opaque])), "RGB", lossless=True)


def png(file, rows, colour_type, bits, *chunks):
    """A PNG file of what Pillow does not write."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    channels = {0: 1, 2: 3, 4: 2, 6: 4}[colour_type]
    header = struct.pack(">IIBBBBB", len(rows[0]) * 8 // bits // channels, len(rows), bits, colour_type, 0, 0, 0)
    packed = zlib.compress(b"".join(b"\0" + row for row in rows))
    parts = [(b"IHDR", header), *chunks, (b"IDAT", packed), (b"IEND", b"")]
    with open(file, "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts))


deep, full = rng.integers(0, 65536, (9, 8, 3)).astype("u2"), np.full((9, 8), 65535, "u2")
png("rgb16.png", [row.astype(">u2").tobytes() for row in deep], 2, 16)
read("rgb16.png", first(deep))
png("rgba16.png", [row.astype(">u2").tobytes() for row in np.dstack([deep, full])], 6, 16)
read("rgba16.png", first(deep), notes="opaque")
png("greya16.png", [row.astype(">u2").tobytes() for row in np.dstack([deep[:, :, 0], full])], 4, 16)
read("greya16.png", first(deep[:, :, 0]), notes="opaque")
for bits in [2, 4]:
    png(f"bits{bits}.png", [rng.bytes(8) for _ in range(9)], 0, bits)
    read(f"bits{bits}.png", first(np.asarray(Image.open(f"bits{bits}.png"))))
png("gamma.png", [row.tobytes() for row in colour], 2, 8, (b"gAMA", struct.pack(">I", 100000)))
read("gamma.png", first(colour))
I(np.dstack([colour, opaque - 1])).save("transparent.png")
refuse("transparent.png", "transparent at row 0, column 0")
faint = rng.integers(0, 256, (37, 53, 1)).astype("u1")
I(np.dstack([colour, faint])).save("faint.webp", lossless=True, exact=True)
share = faint / 255
read(
    "faint.webp",
    first(np.floor(share * colour + (1 - share) * np.array([255, 128, 0]) + 0.5)),
    options={"background": [255, 128, 0]},
    notes="laid over the background",
)
I(colour).convert("CMYK").save("cmyk.jpg")
refuse("cmyk.jpg", "colour space cmyk")
for file in ["frames.png", "frames.webp"]:
    I(colour).save(file, save_all=True, append_images=[I(colour[::-1].copy())])
    refuse(file, "animated")
I(colour).save("really_a.png", format="GIF")
refuse("really_a.png", "no PNG, JPEG or WebP picture")
I(colour).save("rgb_copy.jpg")
with open("rgb_copy.jpg", "rb") as f, open("cut.jpg", "wb") as g:
    g.write(f.read()[:-200])
refuse("cut.jpg", "cannot be decoded")
os.mkdir("pictures")
for n in range(12):
    I(np.roll(colour, n, 0)).save(f"pictures/{n}.png")
open("pictures/labels.csv", "w").close()
names = sorted(f"{n}.png" for n in range(12))
read(
    "pictures",
    np.concatenate([first(np.asarray(Image.open(f"pictures/{name}"))) for name in names]),
    notes="1 other entry",
)
os.mkdir("mixed")
I(grey).save("mixed/a.png")
I(colour).save("mixed/b.png")
read("mixed", np.concatenate([first(np.dstack([grey] * 3)), first(colour)]), notes="1 grey of 2 pictures made colour")
os.mkdir("sizes")
I(grey).save("sizes/a.png")
I(grey[1:]).save("sizes/b.png")
refuse("sizes", r"b\.png has 53 x 36 pixels, but .* --size 32")

with open("cases.json", "w") as f:
    json.dump(cases, f)
print(len(cases))
