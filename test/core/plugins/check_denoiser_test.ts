import assert from "assert";
import { checkDenoiser, checkParams } from "../../../core/plugins/check_denoiser.ts";
import { PluginError } from "../../../core/plugins/plugin_error.ts";
import type { Denoiser } from "../../../core/plugins/contracts.ts";

const denoiser: Denoiser = { init: () => ({}), predict: (_, z) => z };

/** Expects the message. */
function throws(check: () => unknown, message: string): void {
  assert.throws(check, (error) => {
    assert.ok(error instanceof PluginError);
    assert.equal(error.message, message);
    return true;
  });
}

Deno.test("a good denoiser passes, also one with nothing to train or with a scalar", () => {
  assert.equal(checkDenoiser("mine", denoiser), denoiser);
  assert.deepEqual(checkParams("mine", {}), {});
  const params = {
    weight: { shape: [2, 3], data: new Float32Array(6) },
    scale: { shape: [], data: new Float32Array(1) },
  };
  assert.equal(checkParams("mine", params), params);
});

Deno.test("a denoiser must have init and predict", () => {
  const throwsFor = (made: unknown, message: string) => throws(() => checkDenoiser("mine", made), message);
  throwsFor(undefined, "The denoiser mine created undefined, expected { init, predict }.");
  throwsFor({ predict: denoiser.predict }, "The denoiser mine has init undefined, expected a function.");
  throwsFor({ ...denoiser, predict: 3 }, "The denoiser mine has predict 3, expected a function.");
});

Deno.test("the options that a denoiser was made with are values by name", () => {
  const made = { ...denoiser, options: { width: 8, skip: "gaussian", embedding: false } };
  assert.equal(checkDenoiser("mine", made), made);
  const expected = "expected the values that it was made with, by name.";
  throws(() => checkDenoiser("mine", { ...denoiser, options: [8] }), `The denoiser mine has options [8], ${expected}`);
  assert.throws(() => checkDenoiser("mine", { ...denoiser, options: { width: NaN } }), PluginError);
});

Deno.test("a prediction of chance in training has its draws and a function", () => {
  const training = { draws: 8, below: 1013, predict: denoiser.predict };
  const made = { ...denoiser, training };
  assert.equal(checkDenoiser("mine", made), made);
  for (const wrong of [3, {}, { ...training, draws: 0 }, { ...training, below: 1.5 }, { ...training, predict: 1 }]) {
    assert.throws(
      () => checkDenoiser("mine", { ...denoiser, training: wrong }),
      /The denoiser mine has training .*, expected \{ draws, below, predict \}: two whole numbers/,
    );
  }
});

Deno.test("parameters must be named tensors of matching sizes and finite values", () => {
  const throwsFor = (params: unknown, message: string) => throws(() => checkParams("mine", params), message);
  const param = "The denoiser mine's parameter w";
  const shapeMessage = "expected an array of whole numbers from 1 on.";
  const data = new Float32Array(6);
  throwsFor([1], "The denoiser mine's init gave [1], expected named { shape, data }.");
  throwsFor(undefined, "The denoiser mine's init gave undefined, expected named { shape, data }.");
  throwsFor({ w: data }, `${param} has the shape undefined, ${shapeMessage}`);
  throwsFor({ w: 3 }, `${param} is 3, expected { shape, data }.`);
  throwsFor({ w: { shape: [2, -3], data } }, `${param} has the shape [2,-3], ${shapeMessage}`);
  throwsFor({ w: { shape: [6], data: [1] } }, `${param} has data [1], expected a Float32Array.`);
  throwsFor({ w: { shape: [2, 2], data } }, `${param} has 6 values, expected 4 for the shape [2,2].`);
  const bad = Float32Array.of(1, NaN, Infinity);
  throwsFor({ w: { shape: [3], data: bad } }, `${param} is NaN at index 1, expected finite values.`);
});
