import type { HostTensor, HostTensors } from "../data/tensors.ts";
import { UserError } from "../errors/user_error.ts";
import { withFile } from "./data_array.ts";
import { readSafetensors, type StoredTensor } from "./safetensors.ts";
import { readTorchFile } from "./torch_file.ts";

/** A file of weights that cannot be used. The message names the file. */
export class WeightsError extends UserError {}

/** The first bytes of what `torch.save` writes: a zip archive, or a pickle or tar archive by old versions. */
const TORCH_STARTS = ["PK\x03\x04", "\x80\x02", "(lp"];

/**
 * Reads weights from a safetensors file or a PyTorch state dict (`.bin`, `.pt`); which of them it is, its contents say.
 * Float16, bfloat16 and float64 come as float32.
 *
 * @throws {UserError} If the file cannot be read or is damaged, with the file's name and what to do.
 * @throws {WeightsError} For a tensor that holds integers.
 */
export async function readWeights(path: string): Promise<HostTensors> {
  const start = await withFile(path, async (file) => {
    const bytes = new Uint8Array(8);
    return String.fromCharCode(...bytes.subarray(0, await file.read(bytes) ?? 0));
  });
  const isTorch = TORCH_STARTS.some((magic) => start.startsWith(magic)) && !isHeaderLength(start);
  const tensors = isTorch ? await readTorchFile(path) : (await readSafetensors(path)).tensors;
  return Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, floats(tensor, name, path)]));
}

/**
 * Reads weights that lie in several files.
 *
 * @throws {UserError} As {@linkcode readWeights}, and {@linkcode WeightsError} for a tensor that two of them have.
 */
export async function readWeightFiles(paths: readonly string[]): Promise<HostTensors> {
  const tensors = new Map<string, HostTensor>(), from = new Map<string, string>();
  for (const path of paths) {
    for (const [name, tensor] of Object.entries(await readWeights(path))) {
      const other = from.get(name);
      if (other !== undefined) {
        throw new WeightsError(
          `${path}: tensor ${JSON.stringify(name)} is in ${other} too. Take all parts from one model.`,
        );
      }
      tensors.set(name, tensor);
      from.set(name, path);
    }
  }
  return Object.fromEntries(tensors);
}

/** A safetensors file starts with the length of its header as 64 bits, whose upper half is zero. */
function isHeaderLength(start: string): boolean {
  return start.length === 8 && start.endsWith("\0\0\0\0");
}

function floats({ shape, data }: StoredTensor, name: string, path: string): HostTensor {
  if (data instanceof Float32Array) return { shape, data };
  if (data instanceof Float64Array) return { shape, data: Float32Array.from(data) };
  throw new WeightsError(
    `${path}: tensor ${JSON.stringify(name)} holds integers (${data.constructor.name}), but weights are floats. ` +
      "Save the model's weights alone.",
  );
}
