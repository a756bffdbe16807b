import { FACTS } from "../hub/model_files.ts";
import { safetensorsParts } from "../io/safetensors.ts";
import type { UsableModel } from "../run/open_usable.ts";
import { ExportError } from "./errors.ts";
import { factsText } from "./facts.ts";

/**
 * A model in the form that its denoiser has in diffusers, with a file beside it that keeps what diffusers does not.
 *
 * @param name The denoiser's name, for messages.
 * @returns Contents by file name.
 * @throws {ExportError} For a denoiser that has no such form.
 */
export function exportDiffusers(
  run: Pick<UsableModel, "denoiser" | "params" | "info" | "config" | "proposal">,
  name: string,
): Record<string, string | Uint8Array[]> {
  const { denoiser: { form }, params } = run;
  if (!form) {
    throw new ExportError(
      `The denoiser ${name} has no form in diffusers; unet-pretrained has. Export it as --format onnx or tfjs.`,
    );
  }
  // What PyTorch's libraries write.
  const weights = safetensorsParts(params, { format: "pt" });
  return { ...form.files, [FACTS]: factsText(run), [form.weights]: weights };
}
