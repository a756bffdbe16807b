import * as tf from "@tensorflow/tfjs";
import { noiseScale, perSample, signalScale } from "../diffusion/channel.ts";
import { type AtomPlace, levelsOfAtoms, placesOfAtoms, sizeOfAtoms } from "./atoms.ts";
import { wholeBasis } from "./eigenbasis.ts";
import type { GaussianMixture } from "./mixture.ts";

/**
 * The ideal denoiser of rows of a table: of a mixture whose components are Gaussians and independent values of few levels,
 * with values that may be unknown left out. Of the Gaussians an unknown value is filled with what its component expects of it
 * from the known ones, which leaves the known part as its marginal has it: with P = M⁻¹ of the noisy covariance M, unknown
 * values u and known o, (M_oo)⁻¹·c_o = P·(c − s) where s solves P_uu·s = (P·c)_u, and log det M_oo = log det M + log det P_uu.
 * A level is told by the posterior probabilities of its points.
 *
 * @returns ε̂ of z, `[batch, d]`, at log SNRs `[batch]`, 0 for what is unknown; all is known where the last is left out.
 */
export function tablePrediction(
  mixture: GaussianMixture,
): (z: tf.Tensor, logsnr: tf.Tensor, condition?: tf.Tensor) => tf.Tensor {
  const { weights, components, atoms, gaps = [] } = mixture;
  const k = weights.length, n = components[0].mean.length, blocks = placesOfAtoms(atoms?.blocks ?? [], n);
  const d = n + sizeOfAtoms(blocks), logWeights = Float32Array.from(weights, Math.log);
  const numbers = n > 0 ? gaussianParts(mixture, gaps.filter((place) => place < n)) : undefined;
  const levels = blocks.map((block) => levelParts(block, atoms!.logits, k, levelsOfAtoms(blocks)));
  const isGapped = blocks.map(({ begin, size }) => gaps.some((place) => place >= begin && place < begin + size));

  return (z, logsnr, condition) => {
    const batch = z.shape[0];
    const flat = tf.reshape(z, [batch, d]);
    const flags = condition && gaps.length > 0
      ? tf.slice(condition, [0, condition.shape[1]! - d], [batch, d])
      : undefined;
    const part = (of: tf.Tensor, begin: number, size: number) => tf.slice(of, [0, begin], [batch, size]);
    const own = numbers?.(part(flat, 0, n), logsnr, flags && part(flags, 0, n));
    const told = levels.map((of, b) => {
      const { begin, size } = blocks[b];
      return of(part(flat, begin, size), logsnr, flags && isGapped[b] ? part(flags, begin, 1) : undefined);
    });
    const logs = [...own ? [own.logs] : [], ...told.map(({ logs }) => logs)]
      .reduce((sum, each) => tf.add(sum, each), tf.tensor2d(logWeights, [k, 1]));
    const posterior = tf.softmax(tf.transpose(logs, [1, 0]));
    const byComponent = tf.reshape(tf.transpose(posterior, [1, 0]), [k, batch, 1]);
    const all = [...own ? [own.estimate(byComponent)] : [], ...told.map(({ estimate }) => estimate(byComponent))];
    return tf.reshape(all.length === 1 ? all[0] : tf.concat(all, 1), z.shape);
  };
}

/** What some of a row's values say of the components, `[k, batch]`, and ε̂ of them by the components' posterior. */
interface Part {
  readonly logs: tf.Tensor;
  /** @param posterior `[k, batch, 1]`. */
  estimate(posterior: tf.Tensor): tf.Tensor;
}

/** Of values that are normal in each component. @param gaps Which of them may be unknown. */
function gaussianParts({ components }: GaussianMixture, gaps: readonly number[]) {
  const k = components.length, n = components[0].mean.length, g = gaps.length;
  const bases = new Float32Array(k * n * n), means = new Float32Array(k * n), variances = new Float32Array(k * n);
  const rows = new Float32Array(k * g * n), products = new Float32Array(k * n * g * g);
  components.forEach((gaussian, i) => {
    const basis = wholeBasis(gaussian, n);
    bases.set(basis, i * n * n);
    means.set(gaussian.mean, i * n);
    variances.set(gaussian.eigenvalues, i * n);
    gaps.forEach((row, a) => {
      rows.set(basis.subarray(row * n, (row + 1) * n), (i * g + a) * n);
      gaps.forEach((other, b) => {
        for (let e = 0; e < n; e++) {
          products[((i * n + e) * g + a) * g + b] = basis[row * n + e] * basis[other * n + e];
        }
      });
    });
  });

  return (z: tf.Tensor, logsnr: tf.Tensor, flags: tf.Tensor | undefined): Part => {
    const batch = z.shape[0], alpha = tf.reshape(logsnr, [1, batch, 1]);
    const basis = tf.tensor3d(bases, [k, n, n]);
    const distance = tf.sub(tf.reshape(z, [1, batch, n]), tf.mul(signalScale(alpha), tf.tensor3d(means, [k, 1, n])));
    const known = flags && tf.sub(1, tf.reshape(flags, [1, batch, n]));
    const centred = known ? tf.mul(distance, known) : distance;
    // What the noisy data has along each axis, between the component's variance and 1.
    const variance = tf.add(
      tf.mul(tf.sigmoid(alpha), tf.tensor3d(variances, [k, 1, n])),
      tf.sigmoid(tf.neg(alpha)),
    );
    let coordinates = tf.matMul(centred as tf.Tensor3D, basis) as tf.Tensor;
    let logDeterminant = tf.sum(tf.log(variance), 2);
    if (flags && g > 0) {
      const selected = tf.concat(gaps.map((place) => tf.slice(flags, [0, place], [batch, 1])), 1);
      const unknown = tf.reshape(selected, [1, batch, g]), gapRows = tf.tensor3d(rows, [k, g, n]);
      const whitened = tf.matMul(tf.div(coordinates, variance) as tf.Tensor3D, gapRows, false, true);
      const precisions = tf.reshape(
        tf.matMul(tf.div(1, variance) as tf.Tensor3D, tf.tensor3d(products, [k, n, g * g])),
        [k, batch, g, g],
      );
      const solved = solvedAmong(precisions, tf.mul(whitened, unknown), unknown);
      coordinates = tf.sub(coordinates, tf.matMul(solved.solution as tf.Tensor3D, gapRows));
      logDeterminant = tf.add(logDeterminant, solved.logDeterminant);
    }
    const whitened = tf.div(coordinates, variance);
    const square = tf.sum(tf.mul(coordinates, whitened), 2);
    return {
      logs: tf.mul(tf.add(square, logDeterminant), -0.5),
      estimate(posterior) {
        // Of all components at once: the sum over them is part of the product.
        const weighted = tf.reshape(tf.transpose(tf.mul(whitened, posterior), [1, 0, 2]), [batch, k * n]);
        const turned = tf.reshape(tf.transpose(basis, [0, 2, 1]), [k * n, n]);
        const epsHat = tf.mul(
          noiseScale(perSample(logsnr, 2)),
          tf.matMul(weighted as tf.Tensor2D, turned as tf.Tensor2D),
        );
        return known ? tf.mul(epsHat, tf.reshape(known, [batch, n])) : epsHat;
      },
    };
  };
}

/**
 * Solves A_uu·s = b_u of symmetric positive definite A, `[k, batch, g, g]`, for the values u that are unknown, by Gauss and
 * Jordan; s is 0 for the others. @param unknown 1 or 0, `[1, batch, g]`. @returns Also log det A_uu, `[k, batch]`.
 */
function solvedAmong(a: tf.Tensor, b: tf.Tensor, unknown: tf.Tensor) {
  const [k, batch, g] = b.shape as [number, number, number];
  const [, , ...square] = a.shape, identity = tf.reshape(tf.eye(g), [1, 1, ...square]);
  const ofRow = tf.reshape(unknown, [1, batch, g, 1]), ofColumn = tf.reshape(unknown, [1, batch, 1, g]);
  // Rows and columns of what is known become those of the identity.
  const among = tf.add(tf.mul(tf.mul(a, ofRow), ofColumn), tf.mul(identity, tf.sub(1, ofRow)));
  let rest: tf.Tensor = tf.concat([among, tf.reshape(b, [k, batch, g, 1])], 3);
  let logDeterminant: tf.Tensor = tf.zeros([k, batch]);
  for (let j = 0; j < g; j++) {
    // Columns before this one are those of the identity by now, and are left out.
    const later = g - j, column = tf.slice(rest, [0, 0, 0, 0], [k, batch, g, 1]);
    const row = tf.slice(rest, [0, 0, j, 0], [k, batch, 1, 1 + later]),
      pivot = tf.slice(row, [0, 0, 0, 0], [k, batch, 1, 1]);
    logDeterminant = tf.add(logDeterminant, tf.log(tf.reshape(pivot, [k, batch])));
    const own = tf.tensor(Float32Array.from({ length: g }, (_, i) => Number(i === j)), [1, 1, g, 1]);
    rest = tf.sub(
      tf.slice(rest, [0, 0, 0, 1], [k, batch, g, later]),
      tf.mul(tf.sub(column, own), tf.div(tf.slice(row, [0, 0, 0, 1], [k, batch, 1, later]), pivot)),
    );
  }
  return { solution: tf.reshape(rest, [k, batch, g]), logDeterminant };
}

/** Of a value of few levels. @param all Levels of all blocks. */
function levelParts({ size, points, level, levels }: AtomPlace, logits: Float64Array, k: number, all: number) {
  const atoms = Float32Array.from(points), halves = new Float32Array(levels), shares = new Float32Array(k * levels);
  for (let c = 0; c < levels; c++) {
    for (let j = 0; j < size; j++) halves[c] += points[c * size + j] ** 2 / 2;
    for (let i = 0; i < k; i++) shares[i * levels + c] = Math.exp(logits[i * all + level + c]);
  }
  return (z: tf.Tensor, logsnr: tf.Tensor, flag: tf.Tensor | undefined): Part => {
    const batch = z.shape[0], alpha = perSample(logsnr, 2), atom = tf.tensor2d(atoms, [levels, size]);
    const product = tf.mul(signalScale(alpha), tf.matMul(z as tf.Tensor2D, atom, false, true));
    const evidence = tf.div(
      tf.sub(product, tf.mul(tf.sigmoid(alpha), tf.tensor2d(halves, [1, levels]))),
      tf.sigmoid(tf.neg(alpha)),
    );
    const known = flag && tf.sub(1, flag), told = known ? tf.mul(evidence, known) : evidence;
    // Σ p(level | component)·likelihood as a product: no component has a level of probability 0.
    const largest = tf.max(told, 1, true), likelihood = tf.exp(tf.sub(told, largest)) as tf.Tensor2D;
    const prior = tf.tensor2d(shares, [k, levels]), total = tf.matMul(prior, likelihood, false, true);
    return {
      logs: tf.add(tf.log(total), tf.reshape(largest, [1, batch])),
      estimate(posterior) {
        const weights = tf.div(tf.reshape(posterior, [k, batch]), total) as tf.Tensor2D;
        const ofLevels = tf.mul(likelihood, tf.matMul(weights, prior, true, false)) as tf.Tensor2D;
        const xHat = tf.matMul(ofLevels, atom);
        const epsHat = tf.div(tf.sub(z, tf.mul(signalScale(alpha), xHat)), noiseScale(alpha));
        return known ? tf.mul(epsHat, known) : epsHat;
      },
    };
  };
}
