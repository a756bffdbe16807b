import { type ParameterShapes, sizeOf } from "../data/tensors.ts";
import { UserError } from "../errors/user_error.ts";

/** The most parameters that a network is made with: a gigabyte of them, of which training holds several times as much. */
export const MAX_PARAMETERS = 2 ** 28;

/**
 * Vectors over the parameters that a training holds: they, their gradient, Adam's two moments and the average.
 */
export const TRAINING_VECTORS = 5;

/** How many numbers the parameters are. */
export function parameterCount(shapes: ParameterShapes): number {
  return Object.values(shapes).reduce((sum, shape) => sum + sizeOf(shape), 0);
}

/**
 * Refuses a network before anything of it is allocated.
 *
 * @param shapes Of its parameters.
 * @param what Of which options they follow, as the beginning of a sentence that ends "describe a network of …".
 * @throws {UserError} When they are more numbers than {@linkcode MAX_PARAMETERS}.
 */
export function requireParameters(shapes: ParameterShapes, what: string): void {
  const count = parameterCount(shapes);
  if (count <= MAX_PARAMETERS) return;
  const [shown, most] = [count, MAX_PARAMETERS].map((n) => n.toLocaleString("en"));
  throw new UserError(`${what} describe a network of ${shown} parameters, but at most ${most} are made. Give less.`);
}
