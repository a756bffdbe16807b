import * as tf from "@tensorflow/tfjs";
import { gradients } from "../../core/engine/gradients.ts";
import type { Program } from "../../core/engine/mod.ts";
import { conv2d } from "../../core/layers/conv2d.ts";
import { linear } from "../../core/layers/linear.ts";
import { Random } from "../../core/random/random.ts";
import type { HostTensor, HostTensors } from "../../core/data/tensors.ts";
import { CHANNELS, SIDE } from "./sizes.ts";

/** What the state calls the gradient of an entry. */
export function gradientOf(name: string): string {
  return `gradient of ${name}`;
}

/** {@linkcode perceptron} in tfjs's operations; its state has its parameters, x, t, y and the gradients. */
export const perceptronProgram: Program = ({ x, target, ...state }) => {
  const params = Object.fromEntries(["1", "2"].flatMap((n) => [`${n}.weight`, `${n}.bias`]).map((k) => [k, state[k]]));
  const { gradients: found, aux } = gradients((params) => {
    const y = linear(params, "2", tf.relu(linear(params, "1", x)));
    const loss = tf.mul(tf.sum(tf.square(tf.sub(y, target))), 0.5) as tf.Scalar;
    return { loss, aux: { y, loss } };
  }, params);
  return { outputs: { loss: aux.loss }, state: { y: aux.y, ...named(found) } };
};

/** {@linkcode convolution} in tfjs's operations; its state has x, filter, bias, dy, y and the gradients. */
export const convolutionProgram: Program = ({ x, filter, bias, dy }) => {
  const { gradients: found, aux } = gradients(({ x, filter, bias }) => {
    const y = conv2d({ "a.weight": filter, "a.bias": bias }, "a", x, [1, 1, 1, 1]);
    const loss = tf.sum(tf.mul(y, dy)) as tf.Scalar;
    return { loss, aux: { y, loss } };
  }, { x, filter, bias });
  return { outputs: { loss: aux.loss }, state: { y: aux.y, ...named(found) } };
};

function named(found: Record<string, tf.Tensor>): Record<string, tf.Tensor> {
  return Object.fromEntries(Object.entries(found).map(([name, tensor]) => [gradientOf(name), tensor]));
}

/** The perceptron's parameters, x and t. */
export function perceptronInputs() {
  const random = Random.fromSeed(0);
  const [rows, inputs, hidden, outputs] = [64, 16, 48, 8];
  return {
    x: random.normalTensor([rows, inputs]),
    target: random.normalTensor([rows, outputs]),
    params: {
      "1.weight": scaled(random.normalTensor([hidden, inputs]), 1 / Math.sqrt(inputs)),
      "1.bias": random.normalTensor([hidden]),
      "2.weight": scaled(random.normalTensor([outputs, hidden]), 1 / Math.sqrt(hidden)),
      "2.bias": random.normalTensor([outputs]),
    },
  };
}

/** The convolution's images, filter and bias, and the gradient of its result. */
export function convolutionInputs(images: number) {
  const random = Random.fromSeed(1);
  const shape = [images, CHANNELS, SIDE, SIDE];
  return {
    x: random.normalTensor(shape),
    filter: scaled(random.normalTensor([CHANNELS, CHANNELS, 3, 3]), 1 / Math.sqrt(9 * CHANNELS)),
    bias: random.normalTensor([CHANNELS]),
    dy: random.normalTensor(shape),
  };
}

/** What a program's state starts from: what it reads, and room for y and the gradients. */
export function initialState(
  fixed: HostTensors,
  differentiated: HostTensors,
  yShape: readonly number[],
): Record<string, { readonly shape: readonly number[]; readonly data?: Float32Array }> {
  const room = Object.entries(differentiated).map(([name, { shape }]) => [gradientOf(name), { shape }]);
  return { ...fixed, ...differentiated, y: { shape: yShape }, ...Object.fromEntries(room) };
}

function scaled({ shape, data }: HostTensor, factor: number): HostTensor {
  return { shape, data: data.map((v) => v * factor) };
}
