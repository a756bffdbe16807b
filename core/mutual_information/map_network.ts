import * as tf from "@tensorflow/tfjs";
import type { HostTensors, ParameterShapes } from "../data/tensors.ts";
import type { Tensors } from "../engine/program.ts";
import { initLinear, linear, linearShapes } from "../layers/linear.ts";
import { silu } from "../layers/silu.ts";
import type { Random } from "../random/random.ts";

/** Width of the two hidden layers. */
const HIDDEN = 64;

/** Added to a squared norm, whose root has no slope at 0. */
const LEAST_SQUARE = 1e-12;

/** A map of rows to a few numbers each: linear, plus a network with two hidden layers that starts from nothing. */
export interface MapNetwork {
  readonly shapes: ParameterShapes;
  init(random: Random): HostTensors;
  /** @param rows `[rows, width]`. @returns `[rows, size]`. */
  apply(params: Tensors, rows: tf.Tensor): tf.Tensor;
  /** The sum over columns of the norms of the weights by which the hidden layers look at them. */
  columnNorms(params: Tensors): tf.Tensor;
}

/**
 * @param name Of the map, before the names of its parameters.
 * @param width Of a row.
 * @param size The numbers that a row is mapped to.
 */
export function mapNetwork(name: string, width: number, size: number): MapNetwork {
  const [direct, first, second, last] = ["linear", "0", "1", "2"].map((layer) => `${name}.${layer}`);
  const layers = [[direct, width, size], [first, width, HIDDEN], [second, HIDDEN, HIDDEN], [
    last,
    HIDDEN,
    size,
  ]] as const;
  return {
    shapes: Object.assign({}, ...layers.map(([layer, inputs, outputs]) => linearShapes(layer, inputs, outputs))),
    init(random) {
      const params: HostTensors = Object.assign(
        {},
        ...layers.map(([layer, inputs, outputs]) => initLinear(random, layer, inputs, outputs)),
      );
      for (const part of ["weight", "bias"]) params[`${last}.${part}`].data.fill(0);
      return params;
    },
    apply(params, rows) {
      const hidden = silu(linear(params, second, silu(linear(params, first, rows))));
      return tf.add(linear(params, direct, rows), linear(params, last, hidden));
    },
    columnNorms(params) {
      const squares = tf.sum(tf.square(params[`${first}.weight`]), 0);
      return tf.sum(tf.sqrt(tf.add(squares, LEAST_SQUARE)));
    },
  };
}
