import type { Kernel } from "./kernel.ts";
import { affine, groupNormalisations } from "./normalisation.ts";
import { portableKernels } from "./portable.ts";
import { preciseTrigonometry } from "./trigonometry.ts";

/**
 * How kernels are recorded for a GPU: by operations that ONNX Runtime's GPU providers have. What saves multiplications
 * on a processor, as Winograd's convolution, costs a GPU more in memory traffic.
 */
export const deviceKernels: Readonly<Record<string, Kernel>> = {
  ...portableKernels,
  ...groupNormalisations(affine),
};

/** WebGPU's sine and cosine are not precise enough for embeddings. */
export const webgpuKernels: Readonly<Record<string, Kernel>> = { ...deviceKernels, ...preciseTrigonometry };
