import { equal, ok, throws } from "assert";
import * as tf from "@tensorflow/tfjs";
import { bytesOfInputs, peakBytes, requireMemory } from "../../../core/engine/graph_memory.ts";
import { BackendError, type Program } from "../../../core/engine/program.ts";
import { record } from "../../../core/engine/recording.ts";

/** The peak of a program of one input. */
function peakOf(program: (x: tf.Tensor) => tf.Tensor, shape: readonly number[]): number {
  const whole: Program = (_, { x }) => ({ outputs: { y: program(x) } });
  return peakBytes(Object.values(record(whole, {}, { x: shape }).outputs));
}

Deno.test("what a graph holds at once is what is computed and needed later", () => {
  const [n, m] = [100, 30];
  // One matrix after another, each over the one before.
  equal(peakOf((x) => tf.exp(tf.sin(tf.exp(x))), [n, m]), 4 * n * m);
  // Another shape of it takes nothing.
  equal(peakOf((x) => tf.reshape(tf.exp(x), [n * m]), [n, m]), 4 * n * m);
  // Three that are needed for the fourth.
  equal(peakOf((x) => tf.concat([tf.exp(x), tf.sin(x), tf.cos(x)], 1), [n, m]), 3 * 4 * n * m);
  equal(peakOf((x) => tf.sum(tf.matMul(tf.exp(x) as tf.Tensor2D, x as tf.Tensor2D, false, true)), [n, m]), 4 * n * n);
  equal(peakOf((x) => tf.cast(tf.greater(x, 0), "float32"), [n, m]), 4 * n * m);
  // An input that is given back is nothing of the graph's own.
  equal(peakOf((x) => x, [n, m]), 0);
  equal(bytesOfInputs({ x: [n, m], logsnr: [n] }), 4 * (n * m + n));
});

Deno.test("a gradient holds the activations of all layers", () => {
  const grad = (layers: number) =>
    peakOf(
      tf.grad((x) => {
        let h = x;
        for (let i = 0; i < layers; i++) h = tf.sin(tf.mul(h, h));
        return tf.sum(h);
      }),
      [50, 20],
    );
  ok(grad(8) >= grad(4) + 4 * 4 * 50 * 20, `${grad(8)} and ${grad(4)} bytes`);
});

Deno.test("what there is no memory for is one line that says what to lower", () => {
  requireMemory(1e9, "A run", undefined, 1e9);
  throws(() => requireMemory(34.06e9, "A run of the denoiser", undefined, 2e9), (error) => {
    ok(error instanceof BackendError);
    equal(
      error.message,
      "A run of the denoiser takes at least 34.1 GB of memory, but 2.0 GB are free. " +
        "Lower --batch-size, --micro-batch-size or --eval-batch-size, or take a smaller network.",
    );
    return true;
  });
});
