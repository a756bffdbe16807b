import { describe, isRecord, PluginError } from "./plugin_error.ts";
import type { Denoiser } from "./plugins.ts";
import { type HostTensors, sizeOf } from "./tensors.ts";

/** Throws a {@link PluginError} unless `denoiser` has the functions `init` and `predict`. */
export function checkDenoiserFunctions(name: string, denoiser: unknown): asserts denoiser is Denoiser {
  if (!isRecord(denoiser)) {
    throw new PluginError(`The denoiser ${name} created ${describe(denoiser)}, expected { init, predict }.`);
  }
  for (const member of ["init", "predict"]) {
    if (typeof denoiser[member] === "function") continue;
    throw new PluginError(`The denoiser ${name} has ${member} ${describe(denoiser[member])}, expected a function.`);
  }
}

/**
 * Checks a denoiser and its parameters: `init` and `predict` are functions, and each parameter has a shape, float32
 * data of that size, and finite values.
 *
 * @param name The denoiser's name, for the message.
 * @param params What `init` gave.
 * @throws {PluginError} That names the parameter and what is wrong with it.
 */
export function checkDenoiser(name: string, denoiser: Denoiser, params: HostTensors): void {
  checkDenoiserFunctions(name, denoiser);
  if (!isRecord(params)) {
    throw new PluginError(`The denoiser ${name}'s init gave ${describe(params)}, expected named { shape, data }.`);
  }
  for (const [key, tensor] of Object.entries<unknown>(params)) {
    const fail = (problem: string) => new PluginError(`The denoiser ${name}'s parameter ${key} ${problem}.`);
    if (!isRecord(tensor)) throw fail(`is ${describe(tensor)}, expected { shape, data }`);
    const { shape, data } = tensor;
    if (!Array.isArray(shape) || !shape.every((n) => Number.isInteger(n) && n > 0)) {
      throw fail(`has the shape ${describe(shape)}, expected an array of whole numbers from 1 on`);
    }
    if (!(data instanceof Float32Array)) throw fail(`has data ${describe(data)}, expected a Float32Array`);
    if (data.length !== sizeOf(shape)) {
      throw fail(`has ${data.length} values, expected ${sizeOf(shape)} for the shape ${describe(shape)}`);
    }
    const bad = data.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0) throw fail(`is ${data[bad]} at index ${bad}, expected finite values`);
  }
}
