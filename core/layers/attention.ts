import * as tf from "@tensorflow/tfjs";
import { linear } from "./linear.ts";

/**
 * Self-attention between the pixels of an image, softmax(Q·Kᵀ/√size)·V per head (arXiv 1706.03762), with the names that
 * diffusers gives its parts.
 *
 * @param params Holds `NAME.to_q`, `to_k`, `to_v` and `to_out.0`, each a linear layer.
 * @param name The layer's name.
 * @param x `[batch, channels, height, width]`.
 * @param size Channels of one head; if left out, the heads divide those of `x`.
 */
export function attention(
  params: Record<string, tf.Tensor>,
  name: string,
  x: tf.Tensor,
  heads: number,
  size: number = x.shape[1]! / heads,
): tf.Tensor {
  const [n, c, h, w] = x.shape;
  const pixels = h * w, inner = heads * size;
  const rows = tf.reshape(tf.transpose(x, [0, 2, 3, 1]), [n * pixels, c]);
  const part = (key: string) => {
    const y = linear(params, `${name}.${key}`, rows);
    if (heads === 1) return tf.reshape(y, [n, pixels, inner]);
    return tf.reshape(tf.transpose(tf.reshape(y, [n, pixels, heads, size]), [0, 2, 1, 3]), [n * heads, pixels, size]);
  };
  const [query, key, value] = [part("to_q"), part("to_k"), part("to_v")];
  // There are fewer values to be scaled than products of them.
  const scores = tf.matMul(tf.mul(query, 1 / Math.sqrt(size)), key, false, true);
  const mixed = weighted(scores, value);
  const joined = heads === 1 ? mixed : tf.transpose(tf.reshape(mixed, [n, heads, pixels, size]), [0, 2, 1, 3]);
  const y = linear(params, `${name}.to_out.0`, tf.reshape(joined, [n * pixels, inner]));
  return tf.transpose(tf.reshape(y, [n, h, w, c]), [0, 3, 1, 2]);
}

/**
 * y = softmax(s)·v. By its weights p the gradient of s is p∘(dy·vᵀ − Σ dy∘y), whose sum is over the channels of a head: that of
 * softmax alone is over all pixels (arXiv 2205.14135, appendix B.2).
 */
function weighted(scores: tf.Tensor, value: tf.Tensor): tf.Tensor {
  const f = tf.customGrad((...given) => {
    const [scores, value, save] = given as [tf.Tensor, tf.Tensor, tf.GradSaveFunc];
    const weights = tf.softmax(scores), y = tf.matMul(weights, value);
    save([weights, value, y]);
    return {
      value: y,
      gradFunc(dy, [weights, value, y]) {
        const sum = tf.sum(tf.mul(dy, y), -1, true);
        // As one more channel the sum costs no pass over all weights.
        const [left, right] = [tf.concat([dy, tf.neg(sum)], -1), tf.concat([value, tf.onesLike(sum)], -1)];
        const byScores = tf.mul(weights, tf.matMul(left, right, false, true));
        return [byScores, tf.matMul(weights, dy, true)];
      },
    };
  });
  return f(scores, value);
}
