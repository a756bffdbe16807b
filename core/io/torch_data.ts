import type { StoredRows } from "./stored_rows.ts";
import { readTorchObject, tensorOf, TorchFileError, TorchTensor } from "./torch_file.ts";

/** The tensors of a file by name, and how many other things lie beside them. */
interface Found {
  readonly tensors: ReadonlyMap<string, TorchTensor>;
  readonly others: number;
  readonly fileBytes: number;
}

/**
 * The names of the tensors that `torch.save` wrote: the keys of a dictionary, `0`, `1`, … of a list or tuple, and `""`
 * of a tensor alone.
 *
 * @throws {TorchFileError | PickleError} If the file cannot be read, is damaged, or holds no tensors.
 */
export async function torchNames(path: string): Promise<string[]> {
  return [...(await readTensors(path)).tensors.keys()];
}

/**
 * Opens a tensor that `torch.save` wrote. The file is held in memory; float64 and integers come in double precision.
 *
 * @param name As {@linkcode torchNames} has it.
 * @throws {TorchFileError | PickleError} If the file cannot be read, is damaged, has no such tensor, or it holds
 * booleans.
 */
export async function openTorch(path: string, name: string): Promise<StoredRows> {
  const { tensors, others, fileBytes } = await readTensors(path), tensor = tensors.get(name);
  if (!tensor) throw new TorchFileError(`${path} has no tensor ${JSON.stringify(name)}. Check its name.`);
  const { shape, data } = tensorOf(tensor, name, fileBytes, path), { type } = tensor.storage;
  const width = shape.slice(1).reduce((product, n) => product * n, 1);
  return {
    shape,
    type: type === "bool" ? "u1" : type,
    ...(others > 0 ? { notes: [`${others} ${others === 1 ? "entry" : "entries"} beside the tensors left out`] } : {}),
    read(begin, end) {
      const rows = data.subarray(begin * width, end * width);
      const isFloat = rows instanceof Float32Array || rows instanceof Float64Array || rows instanceof Uint8Array;
      return isFloat ? rows : Float64Array.from<number | bigint>(rows, Number);
    },
    [Symbol.dispose]() {},
  };
}

function readTensors(path: string): Promise<Found> {
  return readTorchObject(path, (object, fileBytes) => {
    const entries: [unknown, unknown][] = object instanceof TorchTensor
      ? [["", object]]
      : object instanceof Map
      ? [...object]
      : Array.isArray(object)
      ? object.map((value, i) => [i, value])
      : [];
    const tensors = new Map<string, TorchTensor>();
    for (const [key, value] of entries) {
      if (!(value instanceof TorchTensor)) continue;
      if (typeof key !== "string" && typeof key !== "number") {
        throw new TorchFileError(`${path} has a tensor whose key is neither text nor a number. Save it under a name.`);
      }
      if (tensors.has(String(key))) {
        throw new TorchFileError(
          `${path} has two tensors ${JSON.stringify(String(key))}. Save them under other names.`,
        );
      }
      tensors.set(String(key), value);
    }
    if (tensors.size === 0) {
      throw new TorchFileError(
        `${path} holds no tensor, and no dictionary or list of tensors. Save the data with torch.save(tensor, path).`,
      );
    }
    return { tensors, others: entries.length - tensors.size, fileBytes };
  });
}
