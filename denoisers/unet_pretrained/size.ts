import { freeMemory, gigabytes } from "../../core/devices/memory.ts";
import { requireMemory } from "../../core/engine/graph_memory.ts";
import { UserError } from "../../core/errors/user_error.ts";
import { TRAINING_VECTORS } from "../../core/layers/parameter_limit.ts";
import type { Source } from "./source.ts";

/**
 * Refuses, before anything is allocated, more parameters than are meant or than the memory holds: those alone of a network
 * that is evaluated, and with all that training keeps besides of one that is trained.
 *
 * @param free Bytes of memory.
 * @throws {UserError} That says so.
 */
export function requireRoom(
  parameters: number,
  { name, limit }: Pick<Source, "name" | "limit">,
  training: boolean,
  free: number = freeMemory(),
): void {
  const shown = parameters.toLocaleString("en");
  if (limit && parameters > limit.parameters) {
    const most = limit.parameters.toLocaleString("en");
    throw new UserError(
      `${name} describes a U-Net of ${shown} parameters, but at most ${most} are made. ${limit.advice}`,
    );
  }
  const what = `he U-Net of ${name}, of ${shown} parameters,`;
  requireMemory(
    bytesHeld(parameters, training),
    training ? `Training t${what}` : `T${what}`,
    "Take a smaller one.",
    free,
  );
}

/** How large a network is, and what its training holds besides the batches. */
export function sizeNote(parameters: number, training: boolean): string {
  const memory = (bytes: number) => bytes < 1e8 ? `${(bytes / 1e6).toFixed(1)} MB` : gigabytes(bytes);
  const own = `network: ${parameters.toLocaleString("en")} parameters, ${memory(bytesHeld(parameters, false))}`;
  return training ? `${own}; training holds ${memory(bytesHeld(parameters, true))} and what a micro-batch takes` : own;
}

function bytesHeld(parameters: number, training: boolean): number {
  return (training ? TRAINING_VECTORS : 1) * Float32Array.BYTES_PER_ELEMENT * parameters;
}
