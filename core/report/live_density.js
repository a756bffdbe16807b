// The paired estimator of core/evaluation/density.ts for one point of the plane, as the page evaluates it. It is plain
// JavaScript, since it is put into the page as it is.

/**
 * What the estimate needs at each log SNR; arrays of one length. Only the point is not known before.
 *
 * @typedef {object} Design
 * @property {number[]} signal √σ(α).
 * @property {number[]} noise √σ(−α).
 * @property {number[]} eps1 ε, which is used with both signs.
 * @property {number[]} eps2
 * @property {number[]} weight One over the density of α.
 * @property {number[]} inputScale What z is multiplied with for the model, 1 where the density is not blurred.
 * @property {number[]} inputLogsnr The log SNR that the model is told.
 * @property {number[]} outputScale What the model's output is multiplied with.
 * @property {number[]} ideal11 The symmetric matrix of the Gaussian's ideal denoiser.
 * @property {number[]} ideal12
 * @property {number[]} ideal22
 */

/**
 * N(μ, Σ) by its precision Σ⁻¹ = [[p11, p12], [p12, p22]] and the log of its normalisation.
 *
 * @typedef {object} PlaneGaussian
 * @property {number[]} mean
 * @property {number[]} precision p11, p12, p22.
 * @property {number} logNormaliser
 */

/**
 * The rows that the model is run on: for each log SNR one with ε and one with −ε.
 *
 * @param {number} x1
 * @param {number} x2
 * @param {Design} design
 * @returns {{ z: Float32Array<ArrayBuffer>, logsnr: Float32Array<ArrayBuffer> }} z is `[rows, 2]`.
 */
export function modelRows(x1, x2, design) {
  const levels = design.signal.length;
  const z = new Float32Array(4 * levels);
  const logsnr = new Float32Array(2 * levels);
  for (let k = 0; k < levels; k++) {
    for (let half = 0; half < 2; half++) {
      const noise = half === 0 ? design.noise[k] : -design.noise[k];
      const row = 2 * k + half;
      z[2 * row] = design.inputScale[k] * (design.signal[k] * x1 + noise * design.eps1[k]);
      z[2 * row + 1] = design.inputScale[k] * (design.signal[k] * x2 + noise * design.eps2[k]);
      logsnr[row] = design.inputLogsnr[k];
    }
  }
  return { z, logsnr };
}

/**
 * log p(x) in nats with its standard error, from the model's output on the rows of `modelRows`.
 *
 * @param {number} x1
 * @param {number} x2
 * @param {Design} design
 * @param {PlaneGaussian} gaussian
 * @param {ArrayLike<number>} epsHat `[rows, 2]`.
 * @returns {{ logDensity: number, stderr: number }}
 */
export function logDensityOf(x1, x2, design, gaussian, epsHat) {
  const levels = design.signal.length;
  const [mean1, mean2] = gaussian.mean;
  let sum = 0;
  let squares = 0;
  let before = 0;
  for (let k = 0; k < levels; k++) {
    let gap = 0;
    for (let half = 0; half < 2; half++) {
      const sign = half === 0 ? 1 : -1;
      const [e1, e2] = [sign * design.eps1[k], sign * design.eps2[k]];
      const c1 = design.signal[k] * (x1 - mean1) + design.noise[k] * e1;
      const c2 = design.signal[k] * (x2 - mean2) + design.noise[k] * e2;
      const ideal1 = design.ideal11[k] * c1 + design.ideal12[k] * c2;
      const ideal2 = design.ideal12[k] * c1 + design.ideal22[k] * c2;
      const at = 2 * (2 * k + half);
      const [h1, h2] = [design.outputScale[k] * epsHat[at], design.outputScale[k] * epsHat[at + 1]];
      gap += (e1 - h1) ** 2 + (e2 - h2) ** 2 - (e1 - ideal1) ** 2 - (e2 - ideal2) ** 2;
    }
    const value = 0.25 * design.weight[k] * gap;
    sum += value;
    if (k > 0) squares += (value - before) ** 2 / 2;
    before = value;
  }
  return {
    logDensity: gaussianLogDensity(x1, x2, gaussian) - sum / levels,
    stderr: Math.sqrt(squares / Math.max(1, levels - 1) / levels),
  };
}

/**
 * @param {number} x1
 * @param {number} x2
 * @param {PlaneGaussian} gaussian
 * @returns {number} log N(x; μ, Σ) in nats.
 */
export function gaussianLogDensity(x1, x2, { mean, precision: [p11, p12, p22], logNormaliser }) {
  const [c1, c2] = [x1 - mean[0], x2 - mean[1]];
  return logNormaliser - 0.5 * (p11 * c1 * c1 + 2 * p12 * c1 * c2 + p22 * c2 * c2);
}
