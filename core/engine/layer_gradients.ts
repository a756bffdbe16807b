import * as tf from "@tensorflow/tfjs";

/**
 * How the layers that are one operation on the recording backend are differentiated: by operations of that backend too.
 * tfjs keeps one registry of gradients for the process.
 */
export function registerLayerGradients(): void {
  for (const gradient of GRADIENTS) tf.registerGradient(gradient);
}

const run = (kernel: string, inputs: tf.NamedTensorMap, attributes: Readonly<Record<string, unknown>> = {}) =>
  tf.engine().runKernel(kernel, inputs, attributes as unknown as tf.NamedAttrMap) as tf.Tensor | tf.Tensor[];

const GRADIENTS: readonly tf.GradConfig[] = [
  {
    kernelName: "AveragePoolNchw",
    gradFunc: (dy) => ({ x: () => tf.mul(run("UpsampleNchw", { x: one(dy) }) as tf.Tensor, 0.25) }),
  },
  {
    kernelName: "ConvolutionNchw",
    inputsToSave: ["x", "filter"],
    gradFunc: (dy, [x, filter], attributes) => ({
      x: () =>
        run("ConvolutionNchwInputGradient", { dy: one(dy), filter }, { ...attributes, shape: x.shape }) as tf.Tensor,
      filter: () =>
        run("ConvolutionNchwFilterGradient", { x, dy: one(dy) }, { ...attributes, shape: filter.shape }) as tf.Tensor,
      // Space first: that sum is shared with the gradient of what is added per sample and channel.
      bias: () => tf.sum(tf.sum(one(dy), [2, 3]), 0),
    }),
  },
  {
    kernelName: "GroupNormNchw",
    inputsToSave: ["x", "scale", "shift"],
    gradFunc: (dy, [x, scale, shift], attributes) => {
      let all: tf.Tensor[] | undefined;
      const gradient = (i: number) => () => {
        all ??= run("GroupNormNchwGradient", { x, scale, shift, dy: one(dy) }, { ...attributes }) as tf.Tensor[];
        return all[i];
      };
      return { x: gradient(0), scale: gradient(1), shift: gradient(2) };
    },
  },
  {
    kernelName: "Silu",
    inputsToSave: ["x"],
    gradFunc: (dy, [x]) => ({ x: () => run("SiluGradient", { x, dy: one(dy) }) as tf.Tensor }),
  },
  {
    kernelName: "UpsampleNchw",
    gradFunc: (dy) => ({ x: () => run("UpsampleNchwGradient", { dy: one(dy) }) as tf.Tensor }),
  },
];

function one(dy: tf.Tensor | tf.Tensor[]): tf.Tensor {
  return Array.isArray(dy) ? dy[0] : dy;
}
