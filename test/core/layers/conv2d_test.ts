import { ok, throws } from "assert";
import { reachableNodes } from "../../../core/engine/graph.ts";
import { record } from "../../../core/engine/recording.ts";
import {
  type Convolution,
  END,
  inputsOf,
  narrow,
  NONE,
  programOf,
  SAME,
  wide,
} from "../../conformance/convolutions.ts";

/** Whether 36 products stand for the convolution. */
function usesWinograd(example: Convolution): boolean {
  const inputs = inputsOf(example);
  const shapes = Object.fromEntries(Object.entries(inputs).map(([name, { shape }]) => [name, shape]));
  const { outputs } = record(programOf(example), {}, shapes);
  return reachableNodes([outputs.y]).some(({ op, outputs: [{ shape }] }) => op === "MatMul" && shape[0] === 36);
}

Deno.test("Winograd's minimal filtering stands for 3x3 convolutions that it suits, and for no others", () => {
  for (const [name, example] of Object.entries(wide)) ok(usesWinograd(example), name);
  const others: Record<string, Convolution> = {
    ...narrow,
    "a stride": [[1, 64, 16, 16], [64, 64, 3, 3], SAME, 2],
    "other padding": [[1, 64, 16, 16], [64, 64, 3, 3], END, 1],
    "few inputs": [[1, 63, 16, 16], [64, 63, 3, 3], SAME, 1],
    "few outputs": [[1, 64, 16, 16], [3, 64, 3, 3], SAME, 1],
    "a small image": [[1, 256, 4, 4], [256, 256, 3, 3], SAME, 1],
    "sides that tiles do not fill": [[1, 64, 16, 18], [64, 64, 3, 3], SAME, 1],
  };
  for (const [name, example] of Object.entries(others)) ok(!usesWinograd(example), name);
});

Deno.test("a filter that does not fit the image is refused", () => {
  const shapes = { x: [1, 2, 2, 2], filter: [2, 2, 3, 3], bias: [2], dy: [1, 2, 1, 1] };
  throws(() => record(programOf([shapes.x, shapes.filter, NONE, 1]), {}, shapes), /3x3 filter does not fit .* 2x2/);
});
