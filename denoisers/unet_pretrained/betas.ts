/** How the noise of a model's steps grows, by its name in diffusers. */
export const BETA_SCHEDULES = ["linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid", "laplace", "exp"] as const;

/** A beta schedule's name. */
export type BetaSchedule = typeof BETA_SCHEDULES[number];

/** Of schedules that go from one β to another, β at a part u of the way from the first step to the last. */
export const RAMPS: { readonly [Name in BetaSchedule]?: (u: number, start: number, end: number) => number } = {
  linear: (u, start, end) => start + (end - start) * u,
  scaled_linear: (u, start, end) => (Math.sqrt(start) + (Math.sqrt(end) - Math.sqrt(start)) * u) ** 2,
  sigmoid: (u, start, end) => start + (end - start) / (1 + Math.exp(6 - 12 * u)),
};

/** Of the other ones, ᾱ up to a factor at a part of their time. */
const LEVELS: { readonly [Name in BetaSchedule]?: (u: number) => number } = {
  squaredcos_cap_v2: cosineLevel,
  laplace: laplaceLevel,
  exp: (u) => Math.exp(-12 * u),
};

/** The largest β of a schedule that is given by its levels. */
const MAX_BETA = 0.999;

/** β of every step, `[steps]`. @param start Of schedules that go from one β to another. */
export function betasOf(schedule: BetaSchedule, steps: number, start: number, end: number): Float64Array {
  const ramp = RAMPS[schedule], level = LEVELS[schedule];
  return Float64Array.from({ length: steps }, (_, t) => {
    if (ramp) return ramp(t / Math.max(1, steps - 1), start, end);
    return Math.min(MAX_BETA, 1 - level!((t + 1) / steps) / level!(t / steps));
  });
}

/** ᾱ = ∏(1 − β) after every step, `[steps]`. */
export function levelsOf(betas: Float64Array): Float64Array {
  let log = 0;
  return betas.map((beta) => {
    log += Math.log1p(-beta);
    return Math.exp(log);
  });
}

/**
 * Levels whose last one is no signal at all: √ᾱ is shifted so that it ends in zero, and scaled so that it begins as it did
 * (S. Lin et al., arXiv 2305.08891, algorithm 1).
 */
export function withoutTerminalSignal(levels: Float64Array): Float64Array {
  const first = Math.sqrt(levels[0]), last = Math.sqrt(levels[levels.length - 1]);
  return levels.map((level) => ((Math.sqrt(level) - last) * first / (first - last)) ** 2);
}

/** The cosine schedule's offset. */
export const OFFSET = 0.008;

/** ᾱ of the cosine schedule (arXiv 2102.09672, equation 17), up to a factor, at a part of its time. */
export function cosineLevel(u: number): number {
  return Math.cos((u + OFFSET) / (1 + OFFSET) * Math.PI / 2) ** 2;
}

/** That of diffusers' Laplace schedule, which has the root where others have the level itself. */
function laplaceLevel(u: number): number {
  const snr = Math.exp(-0.5 * (u <= 0.5 ? 1 : -1) * Math.log(1 - 2 * Math.abs(0.5 - u) + 1e-6));
  return Math.sqrt(snr / (1 + snr));
}
