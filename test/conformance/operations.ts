import { deepEqual } from "assert";
import * as tf from "@tensorflow/tfjs";
import { gradients } from "../../core/engine/gradients.ts";
import type { Engine, Program } from "../../core/engine/mod.ts";
import { Random } from "../../core/random/random.ts";
import type { HostTensor } from "../../core/data/tensors.ts";
import { runOn } from "../core/engine/differentiate.ts";
import { type ConformanceCase, type Deviation, deviation, otherEngine } from "./case.ts";

type Operation = (...tensors: tf.Tensor[]) => tf.Tensor;

/** Operations with their inputs; each is compared in its value and in its gradients. */
function examples(): Record<string, [Operation, ...HostTensor[]]> {
  const random = Random.fromSeed(7);
  const normal = (...shape: number[]) => random.normalTensor(shape);
  const positive = (...shape: number[]) => random.uniformTensor(shape, 0.5, 2);
  return {
    "add, broadcast": [(a, b) => tf.add(a, b), normal(3, 4), normal(4)],
    "sub, broadcast both ways": [(a, b) => tf.sub(a, b), normal(3, 1), normal(1, 4)],
    "mul by a column": [(a, b) => tf.mul(a, b), normal(3, 4), normal(3, 1)],
    "div": [(a, b) => tf.div(a, b), normal(3, 4), positive(4)],
    "div by a power of two": [(a) => tf.div(a, 8), normal(5)],
    "pow": [(a) => tf.pow(a, 3), positive(6)],
    "maximum and minimum": [(a, b) => tf.minimum(tf.maximum(a, b), 0.7), normal(8), normal(8)],
    "chain of unary operations": [
      (a) => tf.sin(tf.cos(tf.exp(tf.tanh(tf.sqrt(tf.log(tf.add(tf.square(a), 2))))))),
      normal(2, 5),
    ],
    "sigmoid far out": [(a) => tf.sigmoid(tf.mul(a, 20)), normal(16)],
    "relu": [(a) => tf.relu(a), normal(40)],
    "leaky relu, elu, selu, softplus": [
      (a) => tf.add(tf.leakyRelu(a, 0.1), tf.add(tf.elu(a), tf.add(tf.selu(a), tf.softplus(a)))),
      normal(40),
    ],
    "abs, neg, reciprocal, rsqrt": [
      (a) => tf.add(tf.neg(tf.abs(a)), tf.mul(tf.reciprocal(a), tf.rsqrt(a))),
      positive(9),
    ],
    "clip": [(a) => tf.clipByValue(a, -0.5, 0.5), normal(30)],
    "where": [
      (a, b) => tf.where(tf.greater(tf.range(0, 5), 2), tf.mul(a, 2), b),
      normal(3, 5),
      normal(3, 5),
    ],
    "erf, log1p, expm1": [(a) => tf.add(tf.erf(a), tf.add(tf.log1p(a), tf.expm1(a))), positive(9)],
    "matMul": [(a, b) => tf.matMul(a, b), normal(3, 4), normal(4, 5)],
    "matMul, both transposed": [(a, b) => tf.matMul(a, b, true, true), normal(4, 3), normal(5, 4)],
    "matMul of a transpose": [(a, b) => tf.matMul(tf.transpose(a), b), normal(4, 3), normal(4, 5)],
    "matMul with bias": [(a, b, c) => tf.relu(tf.add(tf.matMul(a, b), c)), normal(6, 4), normal(4, 20), normal(20)],
    "matMul in batches": [(a, b) => tf.matMul(a, b, false, true), normal(2, 3, 4), normal(2, 5, 4)],
    "sum, mean, max over axes": [
      (a) => tf.add(tf.sum(a, [0, 2]), tf.add(tf.mean(a, [0, 2]), tf.max(tf.mul(a, a), [0, 2]))),
      normal(3, 4, 5),
    ],
    "sum over rows": [(a) => tf.sum(a, 0), normal(33, 20)],
    "sum with kept axes": [(a) => tf.mul(a, tf.sum(a, 1, true)), normal(3, 4)],
    "softmax": [(a) => tf.softmax(a), normal(3, 6)],
    "concat, slice, split": [
      (a, b) => {
        const [p, q] = tf.split(tf.concat([a, b], 1), [3, 4], 1);
        return tf.add(tf.slice(q, [0, 1], [2, 3]), p);
      },
      normal(2, 5),
      normal(2, 2),
    ],
    "stack and unstack": [
      (a) => {
        const [p, q] = tf.unstack(a, 1);
        return tf.stack([q, p, tf.mul(p, q)], 0);
      },
      normal(3, 2),
    ],
    "pad, tile, transpose, expandDims, squeeze": [
      (a) => tf.squeeze(tf.expandDims(tf.transpose(tf.tile(tf.pad(a, [[1, 0], [0, 2]]), [2, 1])), 0)),
      normal(2, 3),
    ],
    "broadcastTo": [(a) => tf.broadcastTo(a, [4, 3]), normal(1, 3)],
    "constants alone": [(a) => tf.add(a, tf.sum(tf.mul(tf.range(0, 6), tf.linspace(0, 1, 6)))), normal(6)],
    "a large constant": [(a) => tf.mul(tf.ones([100, 100]), tf.reshape(a, [100, 1])), normal(100)],
  };
}

function programOf(f: Operation): Program {
  return (_, given) => {
    const { gradients: found, aux } = gradients((params) => {
      const y = f(...Object.values(params));
      // Uneven weights, so that a gradient sent to the wrong element shows.
      const weights = tf.tensor(Float32Array.from({ length: y.size }, (_, i) => Math.cos(i)), y.shape);
      return { loss: tf.sum(tf.mul(tf.square(y), weights)), aux: { y } };
    }, given);
    return { outputs: { y: aux.y, ...found } };
  };
}

/** Every operation's value and gradients. */
export const operations: ConformanceCase = {
  name: "operations",
  reference: "another engine",
  async run(engine: Engine): Promise<Deviation[]> {
    const other = await otherEngine(engine);
    const deviations: Deviation[] = [];
    for (const [name, [f, ...tensors]] of Object.entries(examples())) {
      const inputs = Object.fromEntries(tensors.map((t, i) => [`x${i}`, t]));
      const [got, expected] = [await runOn(engine, programOf(f), inputs), await runOn(other, programOf(f), inputs)];
      deepEqual(Object.keys(got), Object.keys(expected));
      for (const key of Object.keys(got)) {
        const what = key === "y" ? name : `${name}, gradient of ${key}`;
        deviations.push(deviation(what, got[key], expected[key], { rtol: 1e-4, atol: 2e-5 }));
      }
    }
    other.dispose();
    return deviations;
  },
};
