import { createEngine, type Engine } from "../../core/engine/mod.ts";
import { distance, type Tolerance } from "../reference.ts";

/** Where a case's expected values come from. */
export type Reference = "PyTorch" | "diffusers" | "float64" | "another engine";

/** Values that every backend must give. */
export interface ConformanceCase {
  readonly name: string;
  readonly reference: Reference;
  /**
   * Computes the values on an engine, which it leaves running.
   *
   * @returns How far each tensor is from its reference.
   */
  run(engine: Engine): Promise<Deviation[]>;
}

/** How far a tensor is from its reference. */
export interface Deviation {
  /** The tensor's name within the case. */
  readonly what: string;
  readonly tolerance: Tolerance;
  /** The largest difference; null where a value is not a finite number. */
  readonly error: number | null;
  /** The largest difference over what the tolerance allows there; null where a value is not a finite number. */
  readonly of_tolerance: number | null;
}

/** Measures how far a tensor is from its reference. */
export function deviation(
  what: string,
  got: ArrayLike<number>,
  reference: ArrayLike<number>,
  tolerance: Tolerance,
): Deviation {
  const { error, ofTolerance } = distance(got, reference, tolerance, what);
  const finite = Number.isFinite(error) && Number.isFinite(ofTolerance);
  const { rtol, atol } = tolerance;
  return {
    what,
    tolerance: { rtol, atol },
    error: finite ? error : null,
    of_tolerance: finite ? ofTolerance : null,
  };
}

/** Whether a deviation is within its tolerance. */
export function isWithin({ of_tolerance }: Deviation): boolean {
  return of_tolerance !== null && of_tolerance <= 1;
}

/** The deviation that is the largest part of its tolerance. @param deviations At least one. */
export function worst(deviations: readonly Deviation[]): Deviation {
  const size = ({ of_tolerance }: Deviation) => of_tolerance ?? Infinity;
  return deviations.reduce((a, b) => size(b) > size(a) ? b : a);
}

/**
 * The engine whose values stand in where there is no reference: the compiled one for what runs operation by operation,
 * and the other way round, so that the two share no kernels.
 */
export function otherEngine({ backend }: Engine): Promise<Engine> {
  return createEngine(backend.startsWith("tfjs") ? "onnx-cpu" : "tfjs-wasm", 1);
}
