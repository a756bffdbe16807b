import { Progress } from "../cli/mod.ts";
import { BackendError } from "../engine/program.ts";
import { InterruptedError } from "../errors/interrupted_error.ts";
import type { Events } from "../io/tensorboard.ts";
import { type Checkpoint, saveCheckpoint } from "../io/checkpoints.ts";
import { DivergenceError, type EpochRecord, type Training } from "../training/train.ts";
import { earlierMetrics, type EpochMetrics, lastMetrics, METRICS } from "./metrics.ts";
import type { PreparedRun } from "./prepare.ts";

/** The end of an epoch. */
export interface EpochEnd extends Pick<EpochRecord, "epoch" | "step" | "isLast"> {
  /** Whether a run goes on from it, so that what is there already need not be made again. */
  readonly isResumed?: boolean;
}

/**
 * What a run does besides training. Of an epoch at whose end a run goes on, each is called again, and makes up for what
 * was left out when it was stopped.
 */
export interface TrainRunHooks {
  /** Called after every epoch's metrics are written, before its checkpoint: what a resumed run must find. */
  onEpoch?(end: EpochEnd, events: Events): Promise<void>;
  /** Called once the epoch's checkpoint, where one is due, is written: what takes long. */
  afterEpoch?(end: EpochEnd, events: Events): Promise<void>;
}

/** What a checkpoint's state.json holds. */
interface RunState {
  readonly nllSum: number;
  readonly seconds: number;
  readonly trainSeconds: number;
}

/** A finished run's numbers. */
export interface TrainRunResult {
  readonly metrics: readonly EpochMetrics[];
  /** Spent in steps and validations, over all parts of a resumed run. */
  readonly trainSeconds: number;
  /** Since the run began, resumed parts added up. */
  readonly seconds: number;
  /** The median time of a step in this process; none where it took none. */
  readonly msPerStep: number | undefined;
}

/** Steps that take longer than this are shown one by one. */
const SLOW_STEP_MS = 50;

/** A checkpoint may take this part of the time; they are made as often as that allows. */
const CHECKPOINT_SHARE = 0.05;

/** Epochs that take longer than this have checkpoints within them. */
const WITHIN_EPOCH_MS = 10 * 60 * 1000;

/**
 * Trains to the end, with progress, metrics, TensorBoard events and checkpoints. Ctrl-C saves and throws
 * {@linkcode InterruptedError}; a loss that is not finite saves the last good state and throws
 * {@linkcode DivergenceError}.
 *
 * @param started When the process began with the run, by `performance.now()`.
 */
export async function trainRun(
  { folder, training, denoiser: { form }, config: { epochs }, settings, ranks, from, isResumed }: PreparedRun,
  { quiet, started, onEpoch, afterEpoch }: TrainRunHooks & {
    readonly quiet: boolean;
    readonly started: number;
  },
): Promise<TrainRunResult> {
  const before = (from?.state ?? { nllSum: 0, seconds: 0, trainSeconds: 0 }) as unknown as RunState;
  using progress = new Progress({ quiet });
  const tell = (line: string) => progress.note(line);
  const metrics = await earlierMetrics(folder, from, settings.validateEvery ?? 1, training.isOver(), tell);
  // A run that saved nothing may have told of steps all the same.
  using events = folder.openEvents(isResumed ? { purgeStep: from ? from.step + 1 : 0 } : {});
  const elapsed = () => before.seconds + (performance.now() - started) / 1000;
  const trainingStarted = performance.now();
  const trained = () => before.trainSeconds + (performance.now() - trainingStarted) / 1000;

  let step = from?.step ?? 0;
  let savedStep = step;
  let lastSave = { ended: performance.now(), took: 0 };
  const save = async () => {
    if (!folder.isWritten) return;
    const begun = performance.now();
    const { epoch, nllSum, best, model, training: state, adaptive } = await training.snapshot();
    const learned = adaptive && { sums: { ...adaptive.sums }, factors: adaptive.factors };
    // Before the checkpoint that implies them.
    await folder.sync(METRICS);
    events.sync();
    const runState = {
      ...lastMetrics(metrics),
      ...{ nllSum, seconds: elapsed(), trainSeconds: trained() },
      ...(best ? { best: { ...best } } : {}),
      ...(learned ? { adaptive: learned } : {}),
    };
    await saveCheckpoint(folder.path, {
      ...{ epoch, step, model, training: state, state: runState },
      ...(form ? { form } : {}),
    });
    savedStep = step;
    lastSave = { ended: performance.now(), took: performance.now() - begun };
  };
  const isDue = (pause: number) =>
    performance.now() - lastSave.ended >= Math.max(pause, lastSave.took / CHECKPOINT_SHARE);
  const show = (nll: number | undefined, stepsPerSecond: number) =>
    progress.update({
      label: "epoch",
      done: step / training.stepsPerEpoch,
      total: epochs,
      fields: [
        ...(nll === undefined ? [] : [`NLL ${nll.toFixed(3)} nats`]),
        ...(stepsPerSecond > 0 ? [pace(stepsPerSecond)] : []),
      ],
    });

  const times = new StepTimes();
  show(metrics.at(-1)?.val_nll, 0);
  try {
    if (from && from.epoch > 0 && from.step === from.epoch * training.stepsPerEpoch) {
      const end = { epoch: from.epoch, step: from.step, isLast: training.isOver(), isResumed: true };
      await onEpoch?.(end, events);
      await afterEpoch?.(end, events);
    }
    const showBlend = (done: number, total: number) => progress.update({ label: "last blend, pair", done, total });
    for await (const record of training.run(showBlend)) {
      step = record.step;
      if (record.kind === "step") {
        times.tick();
        if (isDue(WITHIN_EPOCH_MS)) {
          await save();
          times.restart();
        }
        if (step % 16 === 0 || times.last() > SLOW_STEP_MS) show(metrics.at(-1)?.val_nll, times.perSecond());
        continue;
      }
      const line = metricsOf(record, elapsed());
      metrics.push(line);
      await folder.appendLine(METRICS, line);
      logEpoch(events, record);
      await onEpoch?.(record, events);
      show(line.val_nll, times.perSecond());
      if (isDue(0) || record.isLast) await save();
      if (!ranks.stop.aborted) await afterEpoch?.(record, events);
      times.restart();
    }
  } catch (error) {
    // The training took back the step that failed, so this is the last good state.
    if (error instanceof DivergenceError && step > savedStep && isFinite(await training.snapshot())) await save();
    // A device whose memory is full can still be read. One that is lost cannot; then the last checkpoint stands.
    if (error instanceof BackendError && step > savedStep) await save().catch(() => {});
    if (!(error instanceof InterruptedError)) throw error;
  }
  if (ranks.stop.aborted) {
    if (step > savedStep) await save();
    throw new InterruptedError(stoppedAt(step, training, epochs));
  }
  return { metrics, trainSeconds: trained(), seconds: elapsed(), msPerStep: times.median() };
}

/** Where a run was stopped. */
function stoppedAt(step: number, training: Training, epochs: number): string {
  const finished = Math.floor(step / training.stepsPerEpoch);
  if (training.isOver()) return "Stopped after the last epoch, before the likelihoods and figures, and saved.";
  return `Stopped in epoch ${finished + 1} of ${epochs}, and saved.`;
}

function metricsOf({ epoch, step, trainNll, validation, unconditional }: EpochRecord, seconds: number): EpochMetrics {
  return {
    epoch,
    step,
    train_nll: trainNll,
    val_nll: validation.mean,
    val_nll_stderr: validation.stderr,
    ...(unconditional ? { val_nll_unconditional: unconditional.mean } : {}),
    seconds: Math.round(seconds * 1000) / 1000,
  };
}

function logEpoch(
  events: Events,
  { step, trainNll, validation, unconditional, learningRate }: EpochRecord,
): void {
  events.scalar("nll/train", trainNll, step);
  events.scalar("nll/validation", validation.mean, step);
  events.scalar("nll/validation_stderr", validation.stderr, step);
  if (unconditional) events.scalar("nll/validation_unconditional", unconditional.mean, step);
  events.scalar("learning_rate", learningRate, step);
}

function isFinite({ training }: { training: Checkpoint["training"] }): boolean {
  return Object.values(training).every(({ data }) => data.every(Number.isFinite));
}

function pace(stepsPerSecond: number): string {
  if (stepsPerSecond >= 1) return `${Math.round(stepsPerSecond)} steps/s`;
  return `${(1 / stepsPerSecond).toFixed(1)} s a step`;
}

/** The times that steps take: the last thousand, so that memory does not grow. */
class StepTimes {
  readonly #times = new Float64Array(1024);
  #count = 0;
  #last = performance.now();

  tick(): void {
    const now = performance.now();
    this.#times[this.#count++ % this.#times.length] = now - this.#last;
    this.#last = now;
  }

  /** The time of the last step in milliseconds. */
  last(): number {
    return this.#count === 0 ? 0 : this.#times[(this.#count - 1) % this.#times.length];
  }

  /** Leaves out the time since the last step. */
  restart(): void {
    this.#last = performance.now();
  }

  median(): number | undefined {
    const times = this.#times.slice(0, Math.min(this.#count, this.#times.length)).sort();
    return times.length > 0 ? times[times.length >> 1] : undefined;
  }

  perSecond(): number {
    const n = Math.min(this.#count, 64);
    let sum = 0;
    for (let k = 1; k <= n; k++) sum += this.#times[(this.#count - k) % this.#times.length];
    return sum > 0 ? 1000 * n / sum : 0;
  }
}
