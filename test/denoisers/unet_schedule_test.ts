import { deepEqual, equal, ok, throws } from "assert";
import type * as tf from "@tensorflow/tfjs";
import {
  DDPM_SCHEDULE,
  parseSchedule,
  type Schedule,
  ScheduleError,
  withPredictionType,
} from "../../denoisers/unet_pretrained/schedule.ts";
import { run } from "../core/engine/differentiate.ts";
import { fuzz } from "../core/io/fuzz.ts";
import { assertWithin, readCase, readTensors } from "../reference.ts";
import { LOCAL_BACKENDS } from "../backends.ts";

async function timesteps(
  schedule: Schedule,
  logsnr: Float32Array,
  backend: typeof LOCAL_BACKENDS[number] = "onnx-cpu",
) {
  const program = (_: unknown, { logsnr }: Record<string, tf.Tensor>) => ({
    outputs: { timestep: schedule.timestep(logsnr) },
  });
  return (await run(backend, program, { logsnr: { shape: [logsnr.length], data: logsnr } })).timestep;
}

for (const backend of LOCAL_BACKENDS) {
  Deno.test(`${backend}: log SNRs map to the time steps that the seed and ITdiffusion give them`, async () => {
    const { tolerances } = await readCase("logsnr2t");
    const reference = await readTensors("logsnr2t/logsnr2t.safetensors");
    // The eager backends are slow.
    const some = (name: string) => reference[name].data.filter((_, i) => backend === "onnx-cpu" || i % 7 === 0);
    const logsnr = some("logsnr");
    const linear = await timesteps(parseSchedule(DDPM_SCHEDULE, "x"), logsnr, backend);
    assertWithin(linear, some("timestep"), tolerances.timestep, "linear");
    // Where a neighbour is taken the two levels are equally far.
    const timestep = some("timestep");
    ok(linear.filter((t, i) => Math.abs(t - timestep[i]) > 0.01).length < 7);
    const cosine = await timesteps(parseSchedule({ beta_schedule: "squaredcos_cap_v2" }, "x"), logsnr, backend);
    const clipped = some("timestep_itd_cosine").map((t) => Math.min(999, Math.max(0, t)));
    assertWithin(cosine, clipped, tolerances.timestep_itd_cosine, "cosine");
  });
}

Deno.test("a time step's noise level is the log SNR's, in every schedule", async () => {
  const logsnr = Float32Array.from({ length: 40 }, (_, i) => -6 + 0.35 * i);
  const [start, end, steps] = [1e-4, 0.02, 1000];
  const betas: Record<string, (u: number) => number> = {
    linear: (u) => start + (end - start) * u,
    scaled_linear: (u) => (Math.sqrt(start) + (Math.sqrt(end) - Math.sqrt(start)) * u) ** 2,
  };
  for (const [name, beta] of Object.entries(betas)) {
    const got = await timesteps(parseSchedule({ beta_schedule: name }, "x"), logsnr);
    let level = 1;
    const levels = Array.from({ length: steps }, (_, i) => level *= 1 - beta(i / (steps - 1)));
    for (let i = 0; i < logsnr.length; i++) {
      const signal = 1 / (1 + Math.exp(-logsnr[i]));
      const exact = levels.findIndex((l) => l < signal);
      ok(got[i] > exact - 1.5 && got[i] < exact + 5, `${name}: log SNR ${logsnr[i]} at ${got[i]}, exact ${exact}`);
    }
  }
});

Deno.test("time steps stay within the schedule and fall with the log SNR", async () => {
  const logsnr = Float32Array.from({ length: 81 }, (_, i) => -60 + 1.5 * i);
  for (const beta_schedule of ["linear", "scaled_linear", "squaredcos_cap_v2"]) {
    for (const num_train_timesteps of [2, 50, 1000]) {
      const got = await timesteps(parseSchedule({ beta_schedule, num_train_timesteps }, "x"), logsnr);
      ok(got.every((t) => t >= 0 && t < num_train_timesteps), `${beta_schedule} ${num_train_timesteps}: ${got}`);
      deepEqual(got, got.toSorted((a, b) => b - a));
    }
  }
});

/** αₜ of some steps, by diffusers' `alphas_cumprod`; the last of a rescaled schedule has no signal. */
const LEVELS: readonly [Record<string, unknown>, readonly (readonly [number, number])[]][] = [
  [{ beta_schedule: "sigmoid" }, [[0, 8.8101], [1, 8.1148], [333, 1.3003], [500, -0.8526], [999, -10.1346]]],
  [{ beta_schedule: "sigmoid", num_train_timesteps: 50, beta_end: 0.3 }, [[1, 6.2707], [25, -0.6338], [49, -8.6608]]],
  [{ beta_schedule: "laplace" }, [[0, 3.8346], [1, 3.4859], [333, 1.0573], [500, 0.8822], [999, -3.4217]]],
  [{ beta_schedule: "exp" }, [[0, 4.4168], [1, 3.7177], [333, -3.9897], [998, -11.988]]],
  [
    { num_train_timesteps: 20, trained_betas: Array.from({ length: 20 }, (_, i) => 0.01 + 0.02 * i) },
    [[0, 4.5951], [1, 3.1859], [6, 0.3964], [10, -0.9952], [18, -4.165], [19, -4.6653]],
  ],
  [{ rescale_betas_zero_snr: true }, [[0, 9.2101], [1, 8.4187], [333, -0.7746], [998, -19.285]]],
  [
    { rescale_betas_zero_snr: true, beta_schedule: "scaled_linear", beta_start: 0.00085, beta_end: 0.012 },
    [[0, 7.0694], [1, 6.337], [333, 0.0264], [998, -15.4411]],
  ],
  [
    { rescale_betas_zero_snr: true, beta_schedule: "squaredcos_cap_v2", num_train_timesteps: 50 },
    [[0, 6.3478], [1, 5.2097], [16, 1.0125], [25, -0.1512], [48, -6.9984]],
  ],
];

Deno.test("each step's log SNR is diffusers', and maps to that step; between two it is between them", async () => {
  for (const [json, expected] of LEVELS) {
    const schedule = parseSchedule(json, "x"), { logsnr } = schedule.diffusion!, name = schedule.summary;
    for (const [t, level] of expected) ok(Math.abs(logsnr[t] - level) < 2e-3, `${name}: ${logsnr[t]} at ${t}`);
    const got = await timesteps(schedule, Float32Array.from(logsnr));
    got.forEach((t, i) => ok(Math.abs(t - i) < 2e-3, `${name}: step ${i} is at ${t}`));
    const steps = schedule.steps!, isRescaled = json.rescale_betas_zero_snr === true;
    equal(logsnr.length, isRescaled ? steps - 1 : steps);
    const [half, above, low, none] = await timesteps(
      schedule,
      Float32Array.of((logsnr[3] + logsnr[4]) / 2, 60, logsnr.at(-1)! - 1, -80),
    );
    ok(Math.abs(half - 3.5) < 2e-3, `${name}: ${half}`);
    equal(above, 0);
    // Where the last step has no signal, all log SNRs are before it.
    if (isRescaled) ok(low > steps - 2 && low < steps - 1, `${name}: ${low}`);
    equal(none, steps - 1);
  }
});

Deno.test("a step without signal that is not the last one is refused", () => {
  const trained_betas = [0.5, 0.5, 1, 1];
  throws(() => parseSchedule({ trained_betas, num_train_timesteps: 4 }, "s.json"), /s\.json: trained_betas is /);
  const last = parseSchedule({ trained_betas: [0.5, 0.5, 1], num_train_timesteps: 3 }, "s.json");
  equal(last.summary, "epsilon, trained betas, 3 steps, the last of which has no signal");
});

Deno.test("a score network's noise levels are those of data from 0 to 1", async () => {
  const schedule = parseSchedule({ _class_name: "ScoreSdeVeScheduler", sigma_min: 0.01, sigma_max: 50 }, "x");
  deepEqual([schedule.prediction, schedule.steps, schedule.diffusion], ["score", undefined, undefined]);
  equal(schedule.summary, "score of values from 0 to 1, noise levels 0.01 to 50");
  // z = √σ(α)·x + √σ(−α)·ε, and (x + 1)/2 with noise σ.
  const [x, eps, alpha] = [0.3, -1.2, 2], sigma = Math.exp(-alpha / 2) / 2;
  const z = Math.sqrt(1 / (1 + Math.exp(-alpha))) * x + Math.sqrt(1 / (1 + Math.exp(alpha))) * eps;
  const got = await run("onnx-cpu", (_, { z, logsnr }) => ({
    outputs: { input: schedule.input!(z, logsnr), noise: schedule.timestep(logsnr) },
  }), { z: { shape: [1, 1, 1, 1], data: Float32Array.of(z) }, logsnr: { shape: [1], data: Float32Array.of(alpha) } });
  ok(Math.abs(got.noise[0] - sigma) < 1e-6);
  ok(Math.abs(got.input[0] - ((x + 1) / 2 + sigma * eps)) < 1e-6);
  for (const key of ["sigma_min", "sigma_max"]) {
    throws(() => parseSchedule({ _class_name: "ScoreSdeVeScheduler", [key]: 0 }, "s.json"), new RegExp(`${key} is 0`));
  }
});

Deno.test("keys of other use are passed over, and what is left out has diffusers' default", async () => {
  const google = {
    _class_name: "DDPMScheduler",
    _diffusers_version: "0.1.1",
    beta_end: 0.02,
    beta_schedule: "linear",
    beta_start: 0.0001,
    clip_sample: true,
    num_train_timesteps: 1000,
    trained_betas: null,
    variance_type: "fixed_large",
  };
  const logsnr = Float32Array.of(-8, 0, 3, 9);
  const [got, expected] = [parseSchedule(google, "x"), parseSchedule({}, "x")];
  deepEqual([got.prediction, expected.prediction], ["epsilon", "epsilon"]);
  deepEqual(await timesteps(got, logsnr), await timesteps(expected, logsnr));
});

Deno.test("what the network predicts is said by either key, and by both only where they agree", () => {
  const { prediction_type: _, ...old } = DDPM_SCHEDULE;
  const predictionOf = (keys: Record<string, unknown>) => parseSchedule({ ...old, ...keys }, "s.json").prediction;
  equal(predictionOf({ predict_epsilon: false }), "sample");
  equal(predictionOf({ predict_epsilon: true }), "epsilon");
  equal(predictionOf({ predict_epsilon: null, prediction_type: "v_prediction" }), "v_prediction");
  equal(predictionOf({ predict_epsilon: false, prediction_type: "sample" }), "sample");
  for (
    const [predict_epsilon, prediction_type] of [[false, "epsilon"], [false, "v_prediction"], [true, "sample"]] as const
  ) {
    throws(
      () => predictionOf({ predict_epsilon, prediction_type }),
      /s\.json: predict_epsilon is (true|false), which means (epsilon|sample), but prediction_type is "[a-z_]+"\. Leave/,
    );
  }
  throws(() => predictionOf({ predict_epsilon: "no" }), /predict_epsilon is "no", expected true or false/);
  // Later versions of diffusers pass over the old key.
  const json = { ...old, predict_epsilon: false };
  deepEqual(withPredictionType(json, parseSchedule(json, "s.json")), { ...old, prediction_type: "sample" });
  deepEqual(withPredictionType(old, parseSchedule(old, "s.json")), old);
});

Deno.test("a schedule is said in words", () => {
  equal(parseSchedule({}, "x").summary, "epsilon, linear betas 0.0001 to 0.02, 1000 steps");
  const cosine = { beta_schedule: "squaredcos_cap_v2", prediction_type: "v_prediction", num_train_timesteps: 50 };
  equal(parseSchedule(cosine, "x").summary, "v_prediction, squaredcos_cap_v2, 50 steps");
});

Deno.test("an unsupported schedule is refused with the value's name", () => {
  const unsupported: Record<string, unknown[]> = {
    beta_schedule: ["tanh", null, 3],
    beta_start: [0, -1, "0.1", 2, null],
    beta_end: [0, 1.5],
    num_train_timesteps: [1, 0, 2.5, 1e9, "1000", null],
    prediction_type: ["flow", null, "toString"],
    use_flow_sigmas: [true, 1],
    trained_betas: [[0.1, 0.2], new Array(5000).fill(0.01), new Array(1000).fill(1), new Array(1000).fill("0.1"), "x"],
  };
  for (const [key, values] of Object.entries(unsupported)) {
    for (const value of values) {
      throws(() => parseSchedule({ ...DDPM_SCHEDULE, [key]: value }, "scheduler_config.json"), (error) => {
        ok(error instanceof ScheduleError, String(error));
        ok(error.message.startsWith(`scheduler_config.json: ${key} is `), error.message);
        ok(error.message.length < 300 && !error.message.includes("\n"), error.message);
        return true;
      });
    }
  }
  for (const value of [null, 3, [], "x"]) throws(() => parseSchedule(value, "s.json"), /s\.json is not the config/);
  throws(
    () => parseSchedule({ _class_name: "FlowMatchEulerDiscreteScheduler", num_train_timesteps: 1000 }, "s.json"),
    /s\.json: "FlowMatchEulerDiscreteScheduler" has no beta_schedule/,
  );
});

Deno.test("what is left out has the default of the scheduler's class, which has its own schedules", () => {
  const of = (name: string, json: Record<string, unknown> = {}) =>
    parseSchedule({ _class_name: `${name}Scheduler`, ...json }, "s.json");
  equal(of("DDIM").summary, "epsilon, linear betas 0.0001 to 0.02, 1000 steps");
  equal(of("HeunDiscrete").summary, "epsilon, linear betas 0.00085 to 0.012, 1000 steps");
  equal(of("LCM", { beta_end: 0.02 }).summary, "epsilon, scaled_linear betas 0.00085 to 0.02, 1000 steps");
  equal(of("DDPM", { beta_schedule: "laplace" }).summary, "epsilon, laplace, 1000 steps");
  for (const name of ["DDIM", "PNDM", "EulerDiscrete", "HeunDiscrete"]) {
    throws(() => of(name, { beta_schedule: "sigmoid" }), /s\.json: beta_schedule is "sigmoid", expected one of linear/);
  }
  // Classes without the option pass over it.
  const zero = { rescale_betas_zero_snr: true };
  equal(of("DDIM", zero).diffusion!.logsnr.length, 999);
  equal(of("PNDM", zero).diffusion!.logsnr.length, 1000);
  // Others have to say what their betas are, and one moves what they give.
  throws(() => of("Own"), /s\.json: "OwnScheduler" has no beta_schedule/);
  equal(of("Own", { beta_schedule: "exp" }).summary, "epsilon, exp, 1000 steps");
  throws(() => of("CogVideoXDDIM", { beta_schedule: "linear" }), /"CogVideoXDDIMScheduler" has levels of its own/);
});

Deno.test("damaged schedules are read or refused in one line", async () => {
  const whole = new TextEncoder().encode(JSON.stringify({ _class_name: "DDPMScheduler", ...DDPM_SCHEDULE }, null, 1));
  const refused = await fuzz(whole, 400, (bytes) => {
    let value: unknown;
    try {
      value = JSON.parse(new TextDecoder().decode(bytes));
    } catch {
      return Promise.resolve();
    }
    parseSchedule(value, "scheduler_config.json");
    return Promise.resolve();
  });
  ok(refused > 10, `${refused}`);
});
