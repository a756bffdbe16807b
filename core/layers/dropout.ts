import * as tf from "@tensorflow/tfjs";

/** Draws are whole numbers below this prime, whose squares are exact in float32. */
export const DRAWS_BELOW = 1013;

/** How many draws an image takes, whatever the number of layers. @param channels The most of any layer. */
export function dropoutDraws(channels: number, pixels: number): number {
  return 2 * (channels + pixels);
}

/**
 * Dropout of images by numbers of chance that are given, so that the same ones drop the same values on every machine, and a
 * sample's do not depend on which others are with it: each value becomes 0 with the probability, to within 1/1013, or is
 * divided by the share that stays.
 *
 * Of each sample there is a draw for each channel and one for each pixel. Their sum, of whole numbers modulo a prime, is
 * uniform and of any two values independent; cubing, which permutes them, and two more draws leave no pattern in more. A
 * layer multiplies a channel's draws by its own number.
 *
 * @param draws `[batch, dropoutDraws(channels, pixels)]`, whole numbers below {@linkcode DRAWS_BELOW}.
 * @param channels The most channels of a layer.
 * @param pixels The most pixels of a layer.
 * @param share Of the values that are dropped, from 0 to 1.
 * @returns Drops values of x, `[batch, channels, height, width]`, each time others.
 */
export function dropout(
  draws: tf.Tensor,
  channels: number,
  pixels: number,
  share: number,
): (x: tf.Tensor) => tf.Tensor {
  const dropped = share === 1 ? DRAWS_BELOW : Math.min(DRAWS_BELOW - 1, Math.max(1, Math.round(share * DRAWS_BELOW)));
  const kept = DRAWS_BELOW - dropped;
  let layer = 0;
  return (x) => {
    const [n, c, h, w] = x.shape, factor = 1 + layer++ % (DRAWS_BELOW - 1);
    const ofChannels = (k: number) => tf.reshape(tf.slice(draws, [0, k * channels], [n, c]), [n, c, 1]);
    const ofPixels = (k: number) =>
      tf.reshape(tf.slice(draws, [0, 2 * channels + k * pixels], [n, h * w]), [n, 1, h * w]);
    const drawn = (k: number) => remainder(tf.add(tf.mul(ofChannels(k), factor), ofPixels(k)));
    const mixed = cubed(remainder(tf.add(cubed(drawn(0)), drawn(1))));
    const isKept = tf.cast(tf.greaterEqual(mixed, dropped), "float32");
    const scale = kept === 0 ? isKept : tf.mul(isKept, DRAWS_BELOW / kept);
    return tf.mul(x, tf.reshape(scale, [n, c, h, w]));
  };
}

/** Of whole numbers up to the square of the prime. Half a number more keeps the quotient from a rounding at a whole one. */
function remainder(x: tf.Tensor): tf.Tensor {
  return tf.sub(x, tf.mul(tf.floor(tf.div(tf.add(x, 0.5), DRAWS_BELOW)), DRAWS_BELOW));
}

function cubed(x: tf.Tensor): tf.Tensor {
  return remainder(tf.mul(remainder(tf.mul(x, x)), x));
}
