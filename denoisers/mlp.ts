import * as tf from "@tensorflow/tfjs";
import { perSample, signalScale } from "../core/diffusion/channel.ts";
import { gaussianDenoiser } from "../core/diffusion/gaussian.ts";
import { sinusoidalEmbedding } from "../core/layers/embedding.ts";
import { initLinear, linear } from "../core/layers/linear.ts";
import { UserError } from "../core/errors.ts";
import type { DataInfo, Denoiser, OptionValues } from "../core/plugins.ts";
import { sizeOf } from "../core/tensors.ts";

/** How the coordinates and the log SNR are scaled before they are embedded, so that they fill the frequencies. */
const COORDINATE_SCALE = 100;
const LOGSNR_SCALE = 50;

export const options = {
  hiddenSize: { default: 128, min: 1, integer: true, help: "Width of the hidden layers." },
  hiddenLayers: { default: 3, min: 2, integer: true, help: "Number of linear layers." },
  embedding: { default: true, help: "Sinusoidal embeddings of the coordinates and of log SNR." },
  embeddingSize: { default: 128, min: 4, integer: true, help: "Size of each embedding, even." },
  skip: { default: true, help: "Add the data's Gaussian denoiser, so that the network learns the rest." },
} as const;

/** The seed's network has no skip. */
export const recipes = { seed: { skip: false } };

/**
 * A multilayer perceptron with ReLU over sinusoidal embeddings of every coordinate and of log SNR, for data of any
 * dimension. Parameters carry PyTorch's names, `layers.0.weight` `[out, in]` and so on, with the activations counted.
 *
 * With the skip, ε̂ = ε̂_G(z, α) + √σ(α)·network(z, α): the network learns only what is not Gaussian.
 */
export function create({ shape, gaussian }: DataInfo, values: OptionValues): Denoiser {
  const { hiddenSize, hiddenLayers, embedding, embeddingSize, skip } = values as {
    [K in keyof typeof options]: typeof options[K]["default"] extends boolean ? boolean : number;
  };
  if (embedding && embeddingSize % 2 !== 0) {
    throw new UserError(`--embedding-size is ${embeddingSize}; it must be even.`);
  }
  const d = sizeOf(shape);
  const inputs = embedding ? (d + 1) * embeddingSize : d + 1;
  const sizes = [inputs, ...new Array<number>(hiddenLayers - 1).fill(hiddenSize), d];
  const names = sizes.slice(1).map((_, i) => `layers.${2 * i}`);

  const network = (params: Record<string, tf.Tensor>, z: tf.Tensor, logsnr: tf.Tensor) => {
    const alpha = perSample(logsnr, 2);
    let h = embedding
      ? sinusoidalEmbedding(tf.concat([tf.mul(z, COORDINATE_SCALE), tf.mul(alpha, LOGSNR_SCALE)], 1), embeddingSize)
      : tf.concat([z, alpha], 1);
    names.forEach((name, i) => {
      h = linear(params, name, i === 0 ? h : tf.relu(h));
    });
    return h;
  };

  return {
    init(random) {
      const params = Object.assign({}, ...names.map((name, i) => initLinear(random, name, sizes[i], sizes[i + 1])));
      // With the skip, training starts from the Gaussian denoiser itself.
      if (skip) { for (const part of ["weight", "bias"]) params[`${names[names.length - 1]}.${part}`].data.fill(0); }
      return params;
    },
    predict(params, z, logsnr) {
      const flat = z.rank === 2 ? z : tf.reshape(z, [z.shape[0], d]);
      const noise = network(params, flat, logsnr);
      const epsHat = skip
        ? tf.add(gaussianDenoiser(flat, logsnr, gaussian), tf.mul(signalScale(perSample(logsnr, 2)), noise))
        : noise;
      return z.rank === 2 ? epsHat : tf.reshape(epsHat, z.shape);
    },
  };
}
