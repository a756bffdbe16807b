import { deepEqual } from "assert";
import { initGroupNorm } from "../../../core/layers/group_norm.ts";

Deno.test("a new group normalisation leaves normalised values as they are", () => {
  deepEqual(initGroupNorm("a", 2), {
    "a.weight": { shape: [2], data: Float32Array.of(1, 1) },
    "a.bias": { shape: [2], data: Float32Array.of(0, 0) },
  });
});
