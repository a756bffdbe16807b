"""Makes the files beside it with PyTorch, safetensors, NumPy and h5py: what those libraries write, for the readers' tests.

    python make.py
"""
import os

import h5py
import numpy as np
import torch
from safetensors.torch import save_file


class Hostile:
    def __reduce__(self):
        return os.system, ("echo owned > owned.txt",)


base = torch.arange(24, dtype=torch.float32) / 8 - 1
tensors = {
    "float": base.reshape(2, 3, 4),
    "transposed": base.reshape(4, 6).t(),
    "every.second": base[1::2],
    "shared.part": base[5:9],
    "scalar": torch.tensor(2.5),
    "empty": torch.zeros(0, 3),
    "parameter": torch.nn.Parameter(torch.tensor([1.0, -2.0])),
    "double": torch.tensor([np.pi, -1e-3], dtype=torch.float64),
    "half": torch.tensor([1.0, -0.0, 65504, 2**-24, 1 / 3]).half(),
    "bfloat": torch.tensor([1.0, -3e38, 1e-38, 1 / 3]).bfloat16(),
    "half.transposed": (base / 3).half().reshape(6, 4).t(),
    "expanded": torch.tensor([3.0]).expand(4),
}
torch.save(tensors, "tensors.bin")
torch.save(tensors, "protocol4.bin", pickle_protocol=4)
save_file({name: tensor.detach().contiguous().clone() for name, tensor in tensors.items()}, "tensors.safetensors")
module = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
torch.save(module.state_dict(), "integers.bin")
torch.save({"model": module.state_dict(), "epoch": 3}, "checkpoint.pt")
torch.save(module, "module.pt")
torch.save({"x": Hostile()}, "hostile.bin")
torch.save({"x": base}, "legacy.bin", _use_new_zipfile_serialization=False)

values = (np.arange(12) - 2).reshape(3, 4)
for name, array in {
    "f4": values.astype("<f4"),
    "big_f8": values.astype(">f8") / 3,
    "f2": (values / 3).astype("<f2"),
    "big_i2": values.astype(">i2"),
    "i8": values.astype("<i8"),
    "u1": np.arange(12, dtype="u1").reshape(3, 4),
    "fortran": np.asfortranarray(values.astype("<f4").reshape(3, 2, 2)),
    "complex": values.astype("c8"),
}.items():
    np.save(f"{name}.npy", array)
for version in [(2, 0), (3, 0)]:
    with open(f"version{version[0]}.npy", "wb") as file:
        np.lib.format.write_array(file, values.astype("<f4"), version=version)

with h5py.File("types.h5", "w", libver="latest") as file:
    for name in ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8", ">f4", ">i2"]:
        file[name.replace(">", "big_")] = np.arange(12).reshape(4, 3).astype(name)
    file.create_group("group").create_dataset("x", data=np.arange(6.0))
    file.create_dataset("gzip", data=np.arange(60.0).reshape(20, 3), chunks=(3, 2), compression="gzip", shuffle=True, fletcher32=True)
    file.create_dataset("lzf", data=np.arange(12.0), chunks=(3,), compression="lzf")
    file.create_dataset("huge", shape=(10**9, 1000), chunks=(1000, 1000), dtype="f4", compression="gzip")
    file["scalar"] = 3.0
    file["empty"] = h5py.Empty("f4")
    file["text"] = "hello"
    file["complex"] = np.zeros(3, dtype="c8")
    file["soft"] = h5py.SoftLink("/f4")
    file["broken"] = h5py.SoftLink("/nowhere")
    file["outside"] = h5py.ExternalLink("other.h5", "/x")
with h5py.File("parts.h5", "w") as file:
    rng = np.random.default_rng(0)
    for name, n in {"train": 40, "val": 6, "test": 5}.items():
        file[name] = (rng.normal(size=(n, 2)) * [2, 5] + [1, -3]).astype("f4")
    file["labels"] = np.arange(40)
