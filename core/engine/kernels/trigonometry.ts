import type { Graph, Value } from "../graph.ts";
import { emitOne, type Kernel } from "./kernel.ts";

/**
 * Sine and cosine by products and sums. A GPU's own are only as good as 2⁻¹¹ between −π and π (WGSL and Vulkan ask for no
 * more), and worse beyond, where sinusoidal embeddings lie.
 */

/** π in parts of few bits: products with whole and half numbers up to some thousands are exact (Cody and Waite). */
export const PI_PARTS = [3.140625, 9.67502593994140625e-4, 1.509957990978376432e-7];

/** The coefficients of sin(r)/r in r², by Taylor: the error is below 1e-9 up to π/2. */
export const COEFFICIENTS = Array.from({ length: 7 }, (_, i) => (-1) ** i / factorial(2 * i + 1));

/** sin(x + shift·π): the sine for a shift of 0, the cosine for ½. */
function shiftedSine(graph: Graph, x: Value, shift: number): Value {
  const op = (name: string, a: Value, b: Value) => emitOne(graph, name, [a, b], x.shape);
  const by = (name: string, a: Value, b: number) => op(name, a, graph.splat(b));
  // x + shift·π = whole·π + r with r between −π/2 and π/2.
  const whole = emitOne(graph, "Floor", [by("Add", by("Mul", x, 1 / Math.PI), shift + 0.5)], x.shape);
  const halves = shift === 0 ? whole : by("Sub", whole, shift);
  const r = PI_PARTS.reduce((rest, part) => op("Sub", rest, by("Mul", halves, part)), x);
  const square = op("Mul", r, r);
  const [last, ...others] = COEFFICIENTS.toReversed();
  const series = others.reduce(
    (sum, c, i) => by("Add", i === 0 ? by("Mul", square, last) : op("Mul", sum, square), c),
    square,
  );
  // (−1)^whole is 1 − 2·(whole mod 2).
  const even = by("Mul", emitOne(graph, "Floor", [by("Mul", whole, 0.5)], x.shape), 2);
  const sign = by("Add", by("Mul", op("Sub", whole, even), -2), 1);
  return op("Mul", op("Mul", series, r), sign);
}

function factorial(n: number): number {
  return n <= 1 ? 1 : n * factorial(n - 1);
}

export const preciseTrigonometry: Readonly<Record<string, Kernel>> = {
  Cos: ({ graph, inputs: { x } }) => shiftedSine(graph, x, 0.5),
  Sin: ({ graph, inputs: { x } }) => shiftedSine(graph, x, 0),
};
