import { type HostTensor, type HostTensors, sizeOf } from "../../core/data/tensors.ts";
import type { Random } from "../../core/random/random.ts";
import type { UnetConfig } from "./config.ts";
import { initLayer, shapesOfLayer } from "./layers.ts";
import { layersOf } from "./plan.ts";

/** The shape of every parameter under its name in diffusers, in the order of its state dict. */
export function parameterShapes(config: UnetConfig): Map<string, readonly number[]> {
  return new Map(layersOf(config).flatMap(shapesOfLayer));
}

/** How many numbers the parameters are, by arithmetic alone. */
export function parameterCount(config: UnetConfig): number {
  return [...parameterShapes(config).values()].reduce((sum, shape) => sum + sizeOf(shape), 0);
}

/** Parameters that are all zero, for their names and shapes. */
export function zeroParams(config: UnetConfig): HostTensors {
  return Object.fromEntries(
    [...parameterShapes(config)].map(([name, shape]) => [name, { shape, data: new Float32Array(sizeOf(shape)) }]),
  );
}

/** Initial parameters as PyTorch draws them, under diffusers' names and in its layouts, one layer after the other. */
export function* initLayers(config: UnetConfig, random: Random): Generator<readonly [string, HostTensor]> {
  for (const layer of layersOf(config)) yield* Object.entries(initLayer(layer, random));
}

/** All of them. */
export function initParams(config: UnetConfig, random: Random): HostTensors {
  return Object.fromEntries(initLayers(config, random));
}
