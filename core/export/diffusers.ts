import { safetensorsParts } from "../io/safetensors.ts";
import type { Denoiser } from "../plugins/contracts.ts";
import type { HostTensors } from "../data/tensors.ts";
import { ExportError } from "./errors.ts";

/**
 * A model in the form that its denoiser has in diffusers.
 *
 * @param name The denoiser's name, for messages.
 * @returns Contents by file name.
 * @throws {ExportError} For a denoiser that has no such form.
 */
export function exportDiffusers(
  denoiser: Denoiser,
  name: string,
  params: HostTensors,
): Record<string, string | Uint8Array[]> {
  const { form } = denoiser;
  if (!form) {
    throw new ExportError(
      `The denoiser ${name} has no form in diffusers; unet-pretrained has. Export it as --format onnx or tfjs.`,
    );
  }
  // What PyTorch's libraries write.
  return { ...form.files, [form.weights]: safetensorsParts(params, { format: "pt" }) };
}
