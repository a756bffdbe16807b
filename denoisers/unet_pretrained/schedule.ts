import type * as tf from "@tensorflow/tfjs";
import type { DiffusionSchedule, LearnedVariance, StepVariance } from "../../core/diffusion/variational_bound.ts";
import { UserError } from "../../core/errors/user_error.ts";
import { type BetaSchedule, betasOf, cosineLevel, levelsOf, RAMPS, withoutTerminalSignal } from "./betas.ts";
import { isTruthy, show } from "./config_values.ts";
import { schedulerClass } from "./scheduler_classes.ts";
import { scoreSchedule } from "./score_schedule.ts";
import { cosineTimestep, refinedLevels, REFINEMENT, stepTimestep, tableTimestep } from "./timesteps.ts";

/** The noise schedule that a model was trained with. */
export interface Schedule {
  /** ε̂ at the time step, or what it is computed from. */
  readonly prediction: "epsilon" | "v_prediction" | "sample" | "score";
  /** What it is, in words for the user. */
  readonly summary: string;
  /** The fractional time step, or noise level, that is the given log SNR's. @param logsnr In nats, `[batch]`. */
  timestep(logsnr: tf.Tensor): tf.Tensor;
  /** What the network is given for z, where it is not z itself. */
  input?(z: tf.Tensor, logsnr: tf.Tensor): tf.Tensor;
  /** How many steps it has, where it has some. */
  readonly steps?: number;
  /** Its own steps; of a network that predicts ε with the log SNRs whose time step each one is. */
  readonly diffusion?: DiffusionSchedule;
  /** How a network's variance is meant, of one that predicts it. */
  readonly learned?: LearnedVariance;
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
  const { _class_name: className } = json as Readonly<Record<string, unknown>>;
  const kind = schedulerClass(className, "beta_schedule" in json);
  const given = { ...DDPM_SCHEDULE, ...kind?.defaults, ...json } as Record<string, unknown>;
  const wrong = (key: string, expected: string) =>
    new ScheduleError(`${source}: ${key} is ${show(given[key])}, expected ${expected}.`);
  const number = (key: string, min: number, max: number) => {
    const value = given[key];
    if (typeof value === "number" && value > min && value <= max) return value;
    throw wrong(key, `a number above ${min} and at most ${max}`);
  };
  if (given._class_name === "ScoreSdeVeScheduler") {
    Object.assign(given, { sigma_min: 0.01, sigma_max: 1348, ...json });
    const most = number("sigma_max", 0, 1e6);
    return scoreSchedule(number("sigma_min", 0, most), most);
  }
  // Flow matching and variance-exploding models say nothing of betas; those of DDPM would be wrong for them.
  if (!kind) {
    const what = "beta_schedule" in json ? "has levels of its own" : "has no beta_schedule";
    throw new ScheduleError(`${source}: ${show(className)} ${what}, expected a schedule of DDPM's family.`);
  }
  if (isTruthy(given.use_flow_sigmas ?? false)) throw wrong("use_flow_sigmas", "false: flow matching is not supported");
  const choice = <T extends string>(key: string, choices: readonly T[]): T => {
    const found = choices.find((c) => c === given[key]);
    if (found === undefined) throw wrong(key, `one of ${choices.join(", ")}, which are what is supported`);
    return found;
  };
  const asked = predictionOf(json as Record<string, unknown>, source);
  if (asked !== undefined) given.prediction_type = asked;
  const prediction = choice("prediction_type", PREDICTIONS);
  const steps = number("num_train_timesteps", 1, 100_000);
  if (!Number.isInteger(steps)) throw wrong("num_train_timesteps", "a whole number");
  const trained = given.trained_betas ?? null;
  if (trained !== null && !isBetas(trained, steps)) {
    throw wrong("trained_betas", `${steps} numbers from 0 to 1, one for each of num_train_timesteps, or null`);
  }
  const isRescaled = kind.rescales && isTruthy(given.rescale_betas_zero_snr ?? false);
  const name = trained === null ? choice("beta_schedule", kind.schedules) : undefined, ramp = name && RAMPS[name];
  const [start, end] = ramp ? [number("beta_start", 0, 1), number("beta_end", 0, 1)] : [0, 0];
  const betas = name ? betasOf(name, steps, start, end) : Float64Array.from(trained as number[]);
  const { logsnr, told, timestep } = isRescaled || !isSeeds(name)
    ? exactMap(isRescaled ? withoutTerminalSignal(levelsOf(betas)).map(logit) : logsnrOf(betas))
    : seedsMap(name, betas, start, end);
  // A step of no signal says nothing of the data, and the bound is one without it too.
  const known = logsnr.filter(Number.isFinite);
  if (known.length < Math.max(2, steps - 1)) {
    throw new ScheduleError(
      `${source}: ${steps - known.length} of its ${steps} steps have no finite log SNR, expected at most the last one.`,
    );
  }
  const betasTold = name === undefined ? "trained betas" : ramp ? `${name} betas ${start} to ${end}` : name;
  const last = known.length === steps ? "" : ", the last of which has no signal";
  const learned = (["learned_range", "learned"] as const).find((kind) => kind === given.variance_type);
  return {
    prediction,
    steps,
    ...(learned ? { learned } : {}),
    diffusion: {
      logsnr: known,
      // What is predicted besides ε is turned into ε by the log SNR itself.
      ...(told && prediction === "epsilon" ? { told: known.map((_, t) => told(t)) } : {}),
      variance: varianceOf(given.variance_type),
    },
    summary: `${prediction}, ${betasTold}, ${steps} steps${last}`,
    timestep,
  };
}

/** The log SNRs of a schedule's steps, and how log SNRs become time steps. */
interface StepMap {
  /** αₜ, falling; the last may be −∞. */
  readonly logsnr: Float64Array;
  /** The log SNR whose time step is t, where it is not αₜ. */
  readonly told?: (t: number) => number;
  timestep(logsnr: tf.Tensor): tf.Tensor;
}

/** Schedules that are mapped as the seed maps them. */
const SEEDS = ["linear", "scaled_linear", "squaredcos_cap_v2"] as const;

function isSeeds(name: BetaSchedule | undefined): name is typeof SEEDS[number] {
  return SEEDS.some((seeds) => seeds === name);
}

function seedsMap(name: typeof SEEDS[number], betas: Float64Array, start: number, end: number): StepMap {
  const logsnr = logsnrOf(betas), steps = betas.length;
  if (name === "squaredcos_cap_v2") {
    return {
      logsnr,
      told: (t) => logit(cosineLevel(t / steps) / cosineLevel(0)),
      timestep: (given) => cosineTimestep(given, steps),
    };
  }
  const levels = refinedLevels((u) => RAMPS[name]!(u, start, end), steps);
  return { logsnr, told: (t) => logit(levels[t * REFINEMENT]), timestep: (given) => tableTimestep(given, levels) };
}

function exactMap(logsnr: Float64Array): StepMap {
  return { logsnr, timestep: (given) => stepTimestep(given, logsnr) };
}

/** αₜ of ᾱₜ = ∏(1 − β), `[steps]`. */
function logsnrOf(betas: Float64Array): Float64Array {
  let log = 0;
  return betas.map((beta) => {
    log += Math.log1p(-beta);
    return log - Math.log(-Math.expm1(log));
  });
}

/** Numbers of which only the last may leave no signal. */
function isBetas(value: unknown, steps: number): value is number[] {
  return Array.isArray(value) && value.length === steps &&
    value.every((beta, i) => typeof beta === "number" && beta > 0 && (beta < 1 || beta === 1 && i === steps - 1));
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

/** A log SNR at which float32 knows no noise. */
const CLEAN = 40;

/** The log SNR of a level ᾱ. */
function logit(level: number): number {
  return Math.min(CLEAN, Math.log(level) - Math.log1p(-level));
}

/** What improved-diffusion would take where a scheduler says nothing that holds for a network without a variance. */
function varianceOf(type: unknown): StepVariance {
  return typeof type === "string" && type.startsWith("fixed_small") ? "fixed_small" : "fixed_large";
}
