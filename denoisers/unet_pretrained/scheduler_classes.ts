import { BETA_SCHEDULES, type BetaSchedule } from "./betas.ts";

/** What one of diffusers' classes of schedulers makes of a scheduler_config.json. */
export interface SchedulerClass {
  /** What stands for keys that are left out. */
  readonly defaults: Readonly<Record<string, unknown>>;
  /** The schedules of betas that it has. */
  readonly schedules: readonly BetaSchedule[];
  /** Whether it knows `rescale_betas_zero_snr`; others pass over it. */
  readonly rescales: boolean;
}

const USUAL = ["linear", "scaled_linear", "squaredcos_cap_v2"] as const;
const DDPM = { beta_schedule: "linear", beta_start: 1e-4, beta_end: 0.02 };
/** Of schedulers that were written for Stable Diffusion's models. */
const STABLE = { beta_schedule: "linear", beta_start: 8.5e-4, beta_end: 0.012 };

const plain: SchedulerClass = { defaults: DDPM, schedules: USUAL, rescales: false };
const rescaling: SchedulerClass = { ...plain, rescales: true };
const ddpm: SchedulerClass = { ...rescaling, schedules: [...USUAL, "sigmoid", "laplace"] };
const stable: SchedulerClass = { ...plain, defaults: STABLE };
const distilled: SchedulerClass = { ...rescaling, defaults: { ...STABLE, beta_schedule: "scaled_linear" } };

/** Those of diffusers 0.42 whose levels follow from betas, without the "Scheduler" that their names end with. */
const CLASSES: Readonly<Record<string, SchedulerClass>> = {
  ...{ DDPM: ddpm, DDPMParallel: ddpm },
  ...{ DDIM: rescaling, DDIMParallel: rescaling, DDIMInverse: rescaling },
  ...{ DPMSolverMultistep: rescaling, UniPCMultistep: rescaling },
  ...{ EulerDiscrete: rescaling, EulerAncestralDiscrete: rescaling },
  ...{ DPMSolverMultistepInverse: plain, DPMSolverSinglestep: plain, DEISMultistep: plain, SASolver: plain },
  ...{ PNDM: plain, LMSDiscrete: plain, RePaint: { ...plain, schedules: [...USUAL, "sigmoid"] } },
  ...{ KDPM2Discrete: stable, KDPM2AncestralDiscrete: stable },
  HeunDiscrete: { ...stable, schedules: [...USUAL, "exp"] },
  ...{ LCM: distilled, TCD: distilled },
};

/** Of a file that names no class: all that there is, and DDPM's where nothing is said. */
const UNNAMED: SchedulerClass = { defaults: DDPM, schedules: BETA_SCHEDULES, rescales: true };

/**
 * What a scheduler's class makes of its file. Of one that is not known here betas have to be told, and are taken as they are
 * told; none, where they are not.
 */
export function schedulerClass(name: unknown, tellsBetas: boolean): SchedulerClass | undefined {
  if (name === undefined) return UNNAMED;
  const short = typeof name === "string" ? name.replace(/^Flax/, "").replace(/Scheduler$/, "") : "";
  // It moves the levels that its betas give.
  if (short.startsWith("CogVideoX")) return undefined;
  return Object.hasOwn(CLASSES, short) ? CLASSES[short] : tellsBetas ? UNNAMED : undefined;
}
