import * as tf from "@tensorflow/tfjs";
import type { DiffusionSchedule, StepVariance } from "../../core/diffusion/variational_bound.ts";
import { UserError } from "../../core/errors/user_error.ts";
import { show } from "./config_values.ts";

/** The noise schedule that a model was trained with. */
export interface Schedule {
  /** ε̂ at the time step, or what it is computed from. */
  readonly prediction: "epsilon" | "v_prediction" | "sample";
  /** What it is, in words for the user. */
  readonly summary: string;
  /** The fractional time step whose noise level is the given log SNR's. @param logsnr In nats, `[batch]`. */
  timestep(logsnr: tf.Tensor): tf.Tensor;
  /** Its own steps; of a network that predicts ε with the log SNRs whose time step each one is. */
  readonly diffusion: DiffusionSchedule;
}

/** A scheduler_config.json that is not valid or has a value that is not supported. */
export class ScheduleError extends UserError {}

/** The schedule of DDPM (arXiv 2006.11239), where a model comes without one. */
export const DDPM_SCHEDULE: Readonly<Record<string, unknown>> = {
  beta_schedule: "linear",
  beta_start: 1e-4,
  beta_end: 0.02,
  num_train_timesteps: 1000,
  prediction_type: "epsilon",
};

/** A step of the schedule is cut into this many, so that time steps are fractions. */
const REFINEMENT = 10;

const BETA_SCHEDULES = ["linear", "scaled_linear", "squaredcos_cap_v2"] as const;
const PREDICTIONS = ["epsilon", "v_prediction", "sample"] as const;

/**
 * Reads the parsed scheduler_config.json of a diffusers model. Keys that are left out have diffusers' defaults.
 *
 * @param json The file's contents.
 * @param source The file's name for messages.
 * @throws {ScheduleError} Naming the first value that is not valid or not supported.
 */
export function parseSchedule(json: unknown, source: string): Schedule {
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw new ScheduleError(`${source} is not the configuration of a scheduler: it is no JSON object.`);
  }
  const given = { ...DDPM_SCHEDULE, ...json } as Record<string, unknown>;
  if (given._class_name !== undefined && !("beta_schedule" in json)) {
    // Flow matching and variance-exploding models say nothing of betas; those of DDPM would be wrong for them.
    throw new ScheduleError(
      `${source}: ${show(given._class_name)} has no beta_schedule, expected a schedule of DDPM's family.`,
    );
  }
  const wrong = (key: string, expected: string) =>
    new ScheduleError(`${source}: ${key} is ${show(given[key])}, expected ${expected}.`);
  const number = (key: string, min: number, max: number) => {
    const value = given[key];
    if (typeof value === "number" && value > min && value <= max) return value;
    throw wrong(key, `a number above ${min} and at most ${max}`);
  };
  const choice = <T extends string>(key: string, choices: readonly T[]): T => {
    const found = choices.find((c) => c === given[key]);
    if (found === undefined) throw wrong(key, `one of ${choices.join(", ")}, which are what is supported`);
    return found;
  };
  if ((given.trained_betas ?? null) !== null) throw wrong("trained_betas", "null, which is what is supported");
  if (given.rescale_betas_zero_snr) throw wrong("rescale_betas_zero_snr", "false, which is what is supported");
  const steps = number("num_train_timesteps", 1, 100_000);
  if (!Number.isInteger(steps)) throw wrong("num_train_timesteps", "a whole number");
  const schedule = choice("beta_schedule", BETA_SCHEDULES);
  const asked = predictionOf(json as Record<string, unknown>, source);
  if (asked !== undefined) given.prediction_type = asked;
  const prediction = choice("prediction_type", PREDICTIONS);
  const summary = `${prediction}, ${schedule}`;
  const variance = varianceOf(given.variance_type);
  const diffusion = (beta: (t: number) => number, told: (t: number) => number): DiffusionSchedule => ({
    logsnr: stepLevels(beta, steps),
    // What is predicted besides ε is turned into ε by the log SNR itself.
    ...(prediction === "epsilon" ? { told: Float64Array.from({ length: steps }, (_, t) => told(t)) } : {}),
    variance,
  });
  if (schedule === "squaredcos_cap_v2") {
    const level = (t: number) => cosineLevel(t / steps);
    return {
      diffusion: diffusion((t) => Math.min(MAX_BETA, 1 - level(t + 1) / level(t)), (t) => logit(level(t) / level(0))),
      prediction,
      summary: `${summary}, ${steps} steps`,
      timestep: (logsnr) => cosineTimestep(logsnr, steps),
    };
  }
  const power = schedule === "linear" ? 1 : 2;
  const [least, most] = [number("beta_start", 0, 1), number("beta_end", 0, 1)];
  const start = least ** (1 / power), end = most ** (1 / power);
  const beta = (u: number) => (start + (end - start) * u) ** power;
  const levels = refinedLevels(beta, steps);
  return {
    diffusion: diffusion((t) => beta(t / Math.max(1, steps - 1)), (t) => logit(levels[t * REFINEMENT])),
    prediction,
    summary: `${summary} betas ${least} to ${most}, ${steps} steps`,
    timestep: (logsnr) => tableTimestep(logsnr, levels),
  };
}

/**
 * What a scheduler's configuration says that the network predicts. Before diffusers 0.4 it said so by `predict_epsilon`.
 *
 * @throws {ScheduleError} When the old key and the new one say different things.
 */
function predictionOf(json: Record<string, unknown>, source: string): unknown {
  const { predict_epsilon: old, prediction_type: now } = json;
  if (old === undefined || old === null) return now;
  if (typeof old !== "boolean") {
    throw new ScheduleError(`${source}: predict_epsilon is ${show(old)}, expected true or false.`);
  }
  const meant = old ? "epsilon" : "sample";
  if (now === undefined || now === meant) return meant;
  throw new ScheduleError(
    `${source}: predict_epsilon is ${old}, which means ${meant}, but prediction_type is ${show(now)}. ` +
      "Leave out the one that is wrong.",
  );
}

/** The same with the prediction under the key that later versions of diffusers read, which pass over the old one. */
export function withPredictionType(json: unknown, { prediction }: Schedule): unknown {
  if (typeof json !== "object" || json === null || !("predict_epsilon" in json)) return json;
  const { predict_epsilon: _, ...rest } = json;
  return { ...rest, prediction_type: prediction };
}

/** ᾱ = ∏(1 − β) with every step's β cut into parts, as the seed refines it: `[steps·REFINEMENT]`, decreasing. */
function refinedLevels(beta: (u: number) => number, steps: number): Float32Array {
  const count = steps * REFINEMENT;
  let level = 1;
  return Float32Array.from({ length: count }, (_, i) => level *= 1 - beta(i / (count - 1)) / REFINEMENT);
}

/**
 * The index of the level nearest to σ(α), in steps: the number of midpoints between levels that σ(α) lies below. It lands
 * 0.5 to 3.9 steps above the exact inverse of the 1,000-step schedule, as the seed's map does.
 */
function tableTimestep(logsnr: tf.Tensor, levels: Float32Array): tf.Tensor {
  const midpoints = Float32Array.from({ length: levels.length - 1 }, (_, i) => (levels[i] + levels[i + 1]) / 2);
  const below = tf.less(tf.reshape(tf.sigmoid(logsnr), [-1, 1]), tf.tensor(midpoints, [1, midpoints.length]));
  return tf.div(tf.sum(tf.cast(below, "float32"), 1), REFINEMENT);
}

/** The largest β of diffusers' cosine schedule. */
const MAX_BETA = 0.999;

/** A log SNR at which float32 knows no noise. */
const CLEAN = 40;

/** αₜ of ᾱₜ = ∏(1 − β), `[steps]`. */
function stepLevels(beta: (t: number) => number, steps: number): Float64Array {
  let log = 0;
  return Float64Array.from({ length: steps }, (_, t) => {
    log += Math.log1p(-beta(t));
    return log - Math.log(-Math.expm1(log));
  });
}

/** The log SNR of a level ᾱ. */
function logit(level: number): number {
  return Math.min(CLEAN, Math.log(level) - Math.log1p(-level));
}

/** What improved-diffusion would take where a scheduler says nothing that holds for a network without a variance. */
function varianceOf(type: unknown): StepVariance {
  return typeof type === "string" && type.startsWith("fixed_small") ? "fixed_small" : "fixed_large";
}

/** ᾱ of the cosine schedule, up to a factor, at a part of its time. */
function cosineLevel(u: number): number {
  return Math.cos((u + OFFSET) / (1 + OFFSET) * Math.PI / 2) ** 2;
}

/** The cosine schedule's offset. */
const OFFSET = 0.008;

/** The cosine schedule's inverse (arXiv 2102.09672, equation 17), within its steps. */
function cosineTimestep(logsnr: tf.Tensor, steps: number): tf.Tensor {
  const first = Math.cos(OFFSET / (1 + OFFSET) * Math.PI / 2);
  const angle = tf.acos(tf.mul(tf.sqrt(tf.sigmoid(logsnr)), first));
  const time = tf.sub(tf.mul(angle, 2 / Math.PI * (1 + OFFSET)), OFFSET);
  return tf.clipByValue(tf.mul(time, steps), 0, steps - 1);
}
