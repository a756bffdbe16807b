import assert from "assert";
import { checkDenoiser } from "../../core/check_denoiser.ts";
import { PluginError } from "../../core/plugin_error.ts";
import type { Denoiser } from "../../core/plugins.ts";
import type { HostTensors } from "../../core/tensors.ts";

const denoiser: Denoiser = { init: () => ({}), predict: (_, z) => z };

/** Expects the message for values that no type allows, but an untyped plugin may give. */
function throws(made: unknown, params: unknown, message: string): void {
  assert.throws(() => checkDenoiser("mine", made as Denoiser, params as HostTensors), (error) => {
    assert.ok(error instanceof PluginError);
    assert.equal(error.message, message);
    return true;
  });
}

Deno.test("a good denoiser passes, also one with nothing to train or with a scalar", () => {
  checkDenoiser("mine", denoiser, {});
  checkDenoiser("mine", denoiser, {
    weight: { shape: [2, 3], data: new Float32Array(6) },
    scale: { shape: [], data: new Float32Array(1) },
  });
});

Deno.test("a denoiser must have init and predict", () => {
  throws(undefined, {}, "The denoiser mine created undefined, expected { init, predict }.");
  throws({ predict: denoiser.predict }, {}, "The denoiser mine has init undefined, expected a function.");
  throws({ ...denoiser, predict: 3 }, {}, "The denoiser mine has predict 3, expected a function.");
});

Deno.test("parameters must be named tensors of matching sizes and finite values", () => {
  const param = "The denoiser mine's parameter w";
  const shapeMessage = "expected an array of whole numbers from 1 on.";
  const data = new Float32Array(6);
  throws(denoiser, [1], "The denoiser mine's init gave [1], expected named { shape, data }.");
  throws(denoiser, undefined, "The denoiser mine's init gave undefined, expected named { shape, data }.");
  throws(denoiser, { w: data }, `${param} has the shape undefined, ${shapeMessage}`);
  throws(denoiser, { w: 3 }, `${param} is 3, expected { shape, data }.`);
  throws(denoiser, { w: { shape: [2, -3], data } }, `${param} has the shape [2,-3], ${shapeMessage}`);
  throws(denoiser, { w: { shape: [6], data: [1] } }, `${param} has data [1], expected a Float32Array.`);
  throws(denoiser, { w: { shape: [2, 2], data } }, `${param} has 6 values, expected 4 for the shape [2,2].`);
  const bad = Float32Array.of(1, NaN, Infinity);
  throws(denoiser, { w: { shape: [3], data: bad } }, `${param} is NaN at index 1, expected finite values.`);
});
