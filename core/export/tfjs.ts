import type { DataInfo } from "../plugins/contracts.ts";
import type { HostTensors } from "../data/tensors.ts";
import { gaussianTensors, mixtureTensors } from "../reference/gaussian_tensors.ts";

/** Browsers cache files of this size. */
const SHARD_BYTES = 4 << 20;

/** What a model that is exported for tfjs is made of. */
export interface TfjsExport {
  readonly params: HostTensors;
  readonly info: DataInfo;
  /** Whatever JSON describes the model, so that its denoiser can be made again. */
  readonly metadata: Readonly<Record<string, unknown>>;
}

/**
 * A model's weights as tfjs stores them: a manifest, model.json, and binary shards. The first group of the manifest holds
 * the parameters under their names; the second, as float32, the data's Gaussian that the denoiser is made with:
 * `gaussian.mean`, `gaussian.eigenvalues` and, unless the covariance is diagonal, `gaussian.eigenvectors`, or
 * `gaussian.axisBases.0` and so on for each axis of a sample; and its reference, where it is another density.
 *
 * @returns Contents by file name.
 */
export function exportTfjs({ params, info, metadata }: TfjsExport): Record<string, Uint8Array | string> {
  const own = Object.entries(gaussianTensors(info.gaussian)).map(([name, tensor]) =>
    [`gaussian.${name}`, tensor] as const
  );
  const others = info.reference ? Object.entries(mixtureTensors(info.reference)) : [];
  const gaussian: HostTensors = Object.fromEntries(
    [...own, ...others].map(([name, { shape, data }]) => [name, { shape, data: Float32Array.from(data) }]),
  );
  const groups = [params, gaussian].filter((tensors) => Object.keys(tensors).length > 0)
    .map((tensors, i) => {
      const shards = shardsOf(tensors);
      const name = (k: number) => `group${i + 1}-shard${k + 1}of${shards.length}.bin`;
      return { tensors, shards: Object.fromEntries(shards.map((bytes, k) => [name(k), bytes])) };
    });
  const model = {
    format: "weights",
    generatedBy: "itdiffusion",
    convertedBy: null,
    weightsManifest: groups.map(({ tensors, shards }) => ({
      paths: Object.keys(shards),
      weights: Object.entries(tensors).map(([name, { shape }]) => ({ name, shape, dtype: "float32" })),
    })),
    userDefinedMetadata: { shape: info.shape, ...metadata },
  };
  return Object.assign({ "model.json": `${JSON.stringify(model, null, 2)}\n` }, ...groups.map(({ shards }) => shards));
}

/** The tensors' values one after another, cut into files. */
function shardsOf(tensors: HostTensors): Uint8Array[] {
  const arrays = Object.values(tensors);
  const bytes = new Uint8Array(arrays.reduce((sum, { data }) => sum + data.byteLength, 0));
  let offset = 0;
  for (const { data } of arrays) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), offset);
    offset += data.byteLength;
  }
  const count = Math.ceil(bytes.length / SHARD_BYTES);
  return Array.from({ length: count }, (_, i) => bytes.subarray(i * SHARD_BYTES, (i + 1) * SHARD_BYTES));
}
