import { Uint8ArrayReader, Uint8ArrayWriter, ZipWriter } from "@zip.js/zip.js";

/** An archive of the given files, stored as torch.save stores them. */
export async function archive(files: Record<string, Uint8Array>, level = 0): Promise<Uint8Array<ArrayBuffer>> {
  const zip = new ZipWriter(new Uint8ArrayWriter(), { level });
  for (const [name, bytes] of Object.entries(files)) await zip.add(name, new Uint8ArrayReader(bytes));
  return new Uint8Array(await zip.close());
}

/** The bytes of a text of characters up to 255. */
export function text(value: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(value.length);
  for (let i = 0; i < value.length; i++) bytes[i] = value.charCodeAt(i);
  return bytes;
}

const word = (n: number) => String.fromCharCode(n & 255, n >> 8 & 255, n >> 16 & 255, n >>> 24);

/** Text in a pickle. */
export const string = (value: string) => `X${word(value.length)}${value}`;

/** An integer in a pickle. */
export const int = (n: number) => `J${word(n)}`;

/** A tuple in a pickle. */
export const tuple = (...items: string[]) => `(${items.join("")}t`;

/** What a tensor is in a pickle. */
export interface PickledTensor {
  readonly storage?: string;
  readonly key?: string;
  readonly count?: number;
  readonly offset?: number;
  readonly shape?: readonly number[];
  readonly strides?: readonly number[];
}

/** A tensor in a pickle. */
export function tensor(
  { storage = "FloatStorage", key = "0", count = 6, offset = 0, shape = [2, 3], strides = [3, 1] }: PickledTensor,
): string {
  const id = tuple(string("storage"), `ctorch\n${storage}\n`, string(key), string("cpu"), int(count)) + "Q";
  const view = tuple(id, int(offset), tuple(...shape.map(int)), tuple(...strides.map(int)), "\x89", "N");
  return `ctorch._utils\n_rebuild_tensor_v2\n${view}R`;
}

/** The pickle of a dictionary of one tensor, `x`. */
export function pickleOf(x: PickledTensor): string {
  return `\x80\x02}(${string("x")}${tensor(x)}u.`;
}
