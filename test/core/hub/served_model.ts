import assert from "assert";
import type { UserError } from "../../../core/errors/user_error.ts";
import type { HubOptions } from "../../../core/hub/mod.ts";
import { inFolder } from "../../folders.ts";
import { someBytes } from "../io/file_server.ts";
import { type HubFaults, type ServedModel, serveHub } from "./hub_server.ts";

export const ID = "google/ddpm-cifar10-32";
export const COMMIT = "0123456789abcdef0123456789abcdef01234567";
export const bytesOf = (text: string) => new TextEncoder().encode(text);
/** An index of weights in parts of these names. */
export const indexOf = (...names: unknown[]) =>
  bytesOf(JSON.stringify({ weight_map: Object.fromEntries(names.map((name, i) => [`w${i}`, name])) }));
export const CONFIG = bytesOf('{"_class_name": "UNet2DModel"}');
export const SCHEDULER = bytesOf('{"num_train_timesteps": 1000}');
export const WEIGHTS = someBytes(200_000);

export const MODEL: ServedModel = {
  commit: COMMIT,
  files: {
    "README.md": bytesOf("A model."),
    "config.json": CONFIG,
    "scheduler_config.json": SCHEDULER,
    "diffusion_pytorch_model.bin": someBytes(150_000, 3),
    "diffusion_pytorch_model.safetensors": WEIGHTS,
    "samples.png": someBytes(50_000, 5),
  },
};
export const MODELS = { [`${ID}@main`]: MODEL };

/** Runs a test against a hub with a cache of its own. */
export function withHub(
  models: Readonly<Record<string, ServedModel>>,
  faults: HubFaults,
  test: (hub: ReturnType<typeof serveHub>, options: HubOptions & { cache: string }) => Promise<void>,
): Promise<void> {
  return inFolder(async (folder) => {
    await using hub = serveHub(models, faults);
    await test(hub, { endpoint: hub.url, cache: `${folder}/hub`, offline: false, token: "hf_secret", pause: 1 });
  });
}

/** Asks that a promise is rejected by one line that tells no secret. */
export async function fails(
  promise: Promise<unknown>,
  type: abstract new (...args: never[]) => UserError,
  pattern: RegExp,
): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof type, String(error));
    assert.match(error.message, pattern);
    assert.doesNotMatch(error.message, /\n|secret/);
    return true;
  });
}
