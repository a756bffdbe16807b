import { firstNotFinite } from "./check_dataset.ts";
import { describe, isRecord, PluginError } from "./plugin_error.ts";
import type { Denoiser } from "./contracts.ts";
import { type HostTensors, type ParameterShapes, sizeOf } from "../data/tensors.ts";

/**
 * Checks that what a plugin created is a denoiser.
 *
 * @param name The denoiser's name, for the message.
 * @returns The denoiser.
 * @throws {PluginError} Unless it has the functions `init` and `predict`.
 */
export function checkDenoiser(name: string, denoiser: unknown): Denoiser {
  if (!isRecord(denoiser)) {
    throw new PluginError(`The denoiser ${name} created ${describe(denoiser)}, expected { init, predict }.`);
  }
  for (const member of ["init", "predict"]) {
    if (typeof denoiser[member] === "function") continue;
    throw new PluginError(`The denoiser ${name} has ${member} ${describe(denoiser[member])}, expected a function.`);
  }
  const { form, options, shapes, training } = denoiser;
  if (training !== undefined && !isRandomPrediction(training)) {
    throw new PluginError(
      `The denoiser ${name} has training ${
        describe(training)
      }, expected { draws, below, predict }: two whole numbers from ` +
        "1 on and a function.",
    );
  }
  if (shapes !== undefined && !(isRecord(shapes) && Object.values(shapes).every(isShape))) {
    throw new PluginError(
      `The denoiser ${name} has shapes ${describe(shapes)}, expected arrays of whole numbers from 1 on, by name.`,
    );
  }
  if (options !== undefined && !(isRecord(options) && Object.values(options).every(isOption))) {
    throw new PluginError(
      `The denoiser ${name} has options ${describe(options)}, expected the values that it was made with, by name.`,
    );
  }
  if (form !== undefined && !isForm(form)) {
    throw new PluginError(
      `The denoiser ${name} has form ${
        describe(form)
      }, expected { weights: "NAME.safetensors", files } with texts by name.`,
    );
  }
  return denoiser as unknown as Denoiser;
}

function isOption(value: unknown): boolean {
  return ["boolean", "string"].includes(typeof value) || Number.isFinite(value);
}

function isRandomPrediction(value: unknown): boolean {
  return isRecord(value) && isShape([value.draws, value.below]) && typeof value.predict === "function";
}

function isShape(shape: unknown): shape is readonly number[] {
  return Array.isArray(shape) && shape.every((n) => Number.isInteger(n) && n > 0);
}

function isForm(form: unknown): boolean {
  if (!isRecord(form) || !isRecord(form.files)) return false;
  return isFileName(form.weights) && form.weights.endsWith(".safetensors") &&
    Object.entries(form.files).every(([name, text]) => isFileName(name) && typeof text === "string");
}

/** Whether a text names a file of a folder and nothing outside it. */
export function isFileName(name: unknown): name is string {
  return typeof name === "string" && /^[\w][\w.-]{0,99}$/.test(name);
}

/**
 * Checks the parameters that a denoiser's `init` gave: each has a shape, float32 data of that size, and finite values.
 *
 * @param name The denoiser's name, for the message.
 * @param shapes The denoiser's own, which they must have.
 * @returns The parameters.
 * @throws {PluginError} That names the parameter and what is wrong with it.
 */
export function checkParams(name: string, params: unknown, shapes?: ParameterShapes): HostTensors {
  if (!isRecord(params)) {
    throw new PluginError(`The denoiser ${name}'s init gave ${describe(params)}, expected named { shape, data }.`);
  }
  for (const [key, tensor] of Object.entries(params)) {
    const fail = (problem: string) => new PluginError(`The denoiser ${name}'s parameter ${key} ${problem}.`);
    if (!isRecord(tensor)) throw fail(`is ${describe(tensor)}, expected { shape, data }`);
    const { shape, data } = tensor;
    if (!isShape(shape)) {
      throw fail(`has the shape ${describe(shape)}, expected an array of whole numbers from 1 on`);
    }
    if (!(data instanceof Float32Array)) throw fail(`has data ${describe(data)}, expected a Float32Array`);
    if (data.length !== sizeOf(shape)) {
      throw fail(`has ${data.length} values, expected ${sizeOf(shape)} for the shape ${describe(shape)}`);
    }
    const bad = firstNotFinite(data);
    if (bad >= 0) throw fail(`is ${data[bad]} at index ${bad}, expected finite values`);
  }
  const difference = shapes && differenceOf(shapes, params as HostTensors);
  if (difference) throw new PluginError(`The denoiser ${name}'s init gave ${difference}, which its shapes do not say.`);
  return params as HostTensors;
}

function differenceOf(shapes: ParameterShapes, params: HostTensors): string | undefined {
  for (const key of new Set([...Object.keys(shapes), ...Object.keys(params)])) {
    if (!Object.hasOwn(params, key)) return `no ${key}`;
    if (shapes[key]?.join() !== params[key].shape.join()) return `${key} of shape [${params[key].shape}]`;
  }
  return undefined;
}
