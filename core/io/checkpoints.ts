import { basename, dirname, join } from "node:path";
import { isFileName } from "../plugins/check_denoiser.ts";
import { messageOf, UserError } from "../errors/user_error.ts";
import type { ModelForm } from "../plugins/contracts.ts";
import type { HostTensors } from "../data/tensors.ts";
import { StorageError, storageError, writeFolderAtomic } from "./atomic.ts";
import { beyondBounds } from "./bounded_json.ts";
import { isTemporaryName } from "./temporary.ts";
import { requireWithin } from "./within.ts";
import { hostTensors, readSafetensors, SafetensorsError, safetensorsParts } from "./safetensors.ts";

/** A checkpoint that cannot be loaded. The message names the folder or file and says what is wrong with it. */
export class CheckpointError extends UserError {}

/** A value that JSON holds without loss. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** What a training run needs to go on where it was. */
export interface Checkpoint {
  /** Finished epochs. */
  readonly epoch: number;
  /** Finished optimiser steps. */
  readonly step: number;
  /** The parameters that a user loads. */
  readonly model: HostTensors;
  /** Everything else that resuming needs: raw parameters, the optimiser's moments. */
  readonly training: HostTensors;
  /** Whatever else describes the run. Its numbers are finite. */
  readonly state: Readonly<Record<string, Json>>;
  /** The form that another library loads the model in, where its denoiser has one. */
  readonly form?: ModelForm;
}

const MODEL_NAME = "model.safetensors";

/** Parameters alone. */
const PLAIN: ModelForm = { weights: MODEL_NAME, files: {} };

const FORMAT = "itdiffusion-checkpoint";
const VERSION = 1;
const TRAINING = "training.safetensors";
const STATE = "state.json";

/** The files of a model in another library's form are small descriptions. */
const MAX_TEXT_BYTES = 10_000_000;

const STATE_BOUNDS = { bytes: MAX_TEXT_BYTES, depth: 32, values: 1_000_000 };

/** `000160`, or `000160-1` where epoch 160 is saved again while the first is still there. */
const FOLDER_NAME = /^(\d{6,15})(?:-(\d{1,9}))?$/;

/**
 * Saves a checkpoint as `checkpoints/<epoch>/` of a run folder, then removes all others and what killed processes left
 * behind. At any moment, even if the process is killed, the folder holds at least one complete checkpoint.
 *
 * @returns The path of the new checkpoint's folder.
 * @throws StorageError if it cannot be written, or is a symbolic link that leads out of the run. The earlier checkpoints
 * are then untouched.
 * @throws TypeError if the state holds something that JSON cannot.
 */
export async function saveCheckpoint(runFolder: string, checkpoint: Checkpoint): Promise<string> {
  const { epoch, step, model, training, state, form = PLAIN } = checkpoint;
  if (!isCount(epoch) || !isCount(step)) {
    throw new TypeError(`The epoch is ${epoch} and the step ${step}; both must be whole numbers of at least 0.`);
  }
  const parent = join(runFolder, "checkpoints");
  await requireWithin(runFolder, parent);
  await removeEntries(parent, isTemporaryName);

  // All three files carry the epoch and step, so that a mixture of two checkpoints is noticed.
  const metadata = { format: FORMAT, epoch: String(epoch), step: String(step) };
  const name = await freeName(parent, epoch);
  await writeFolderAtomic(join(parent, name), {
    ...Object.fromEntries(Object.entries(form.files).map(([name, text]) => [name, new TextEncoder().encode(text)])),
    [form.weights]: safetensorsParts(model, metadata),
    [TRAINING]: safetensorsParts(training, metadata),
    [STATE]: encodeJson({
      format: FORMAT,
      version: VERSION,
      epoch,
      step,
      model: { weights: form.weights, files: Object.keys(form.files) },
      state,
    }),
  });
  await removeOtherCheckpoints(join(parent, name));
  return join(parent, name);
}

/**
 * Removes what lies beside a checkpoint that is known to be whole: older ones, and what killed processes left unfinished.
 *
 * @param folder As `saveCheckpoint` or `latestCheckpoint` gave it.
 */
export async function removeOtherCheckpoints(folder: string): Promise<void> {
  const name = basename(folder);
  const isOther = (other: string) => other !== name && (FOLDER_NAME.test(other) || isTemporaryName(other));
  await removeEntries(dirname(folder), isOther);
}

/**
 * The folder of a run's newest complete checkpoint, or nothing if it has none.
 *
 * @throws StorageError if the run's folder cannot be read.
 */
export async function latestCheckpoint(runFolder: string): Promise<string | undefined> {
  const parent = join(runFolder, "checkpoints");
  const names = (await namesIn(parent)).filter((name) => FOLDER_NAME.test(name)).sort(byAge);
  for (const name of names.reverse()) {
    const files = await namesIn(join(parent, name));
    if ([TRAINING, STATE].every((file) => files.includes(file))) return join(parent, name);
  }
  return undefined;
}

/**
 * Loads and checks a checkpoint.
 *
 * @param folder The folder that `saveCheckpoint` or `latestCheckpoint` returned.
 * @throws CheckpointError if a file is missing, damaged, of another format, or of another checkpoint.
 */
export async function loadCheckpoint(folder: string): Promise<Checkpoint> {
  const { epoch, step, state, weights, files } = await loadState(folder);
  const [model, training] = await Promise.all(
    [weights, TRAINING].map((name) => loadTensors(folder, name, epoch, step)),
  );
  return { epoch, step, model, training, state, ...await loadForm(folder, weights, files) };
}

/**
 * Loads and checks the parameters of a checkpoint, without what only training needs.
 *
 * @param folder The folder that `saveCheckpoint` or `latestCheckpoint` returned.
 * @throws CheckpointError if a file is missing, damaged, of another format, or of another checkpoint.
 */
export async function loadModel(folder: string): Promise<Pick<Checkpoint, "epoch" | "step" | "model" | "form">> {
  const { epoch, step, weights, files } = await loadState(folder);
  return {
    epoch,
    step,
    model: await loadTensors(folder, weights, epoch, step),
    ...await loadForm(folder, weights, files),
  };
}

async function loadForm(folder: string, weights: string, names: readonly string[]): Promise<Pick<Checkpoint, "form">> {
  if (weights === MODEL_NAME) return {};
  const texts = names.map(async (name) => {
    try {
      const { size } = await Deno.stat(join(folder, name));
      if (size > MAX_TEXT_BYTES) throw unusable(folder, `its ${name} has ${size} bytes, too many for a description`);
      return [name, await Deno.readTextFile(join(folder, name))] as const;
    } catch (error) {
      throw error instanceof CheckpointError ? error : unreadable(folder, name, error);
    }
  });
  return { form: { weights, files: Object.fromEntries(await Promise.all(texts)) } };
}

/** What a checkpoint's state.json says. */
interface SavedState extends Pick<Checkpoint, "epoch" | "step" | "state"> {
  /** The names of the file with the model's parameters and of those that describe it. */
  readonly weights: string;
  readonly files: readonly string[];
}

async function loadState(folder: string): Promise<SavedState> {
  let bytes: Uint8Array;
  try {
    bytes = await Deno.readFile(join(folder, STATE));
  } catch (error) {
    throw unreadable(folder, STATE, error);
  }
  const beyond = beyondBounds(bytes, STATE_BOUNDS);
  if (beyond !== undefined) throw unusable(folder, `its ${STATE} ${beyond}`);
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    throw unusable(folder, `its ${STATE} is not valid JSON`);
  }
  if (!isObject(json) || json.format !== FORMAT) throw unusable(folder, `its ${STATE} does not say "${FORMAT}"`);
  if (json.version !== VERSION) {
    const version = JSON.stringify(json.version);
    throw unusable(folder, `its ${STATE} has the version ${version}, but this program reads version ${VERSION}`);
  }
  const { epoch, step, state } = json;
  if (!isCount(epoch) || !isCount(step)) throw unusable(folder, `its ${STATE} has no valid epoch and step`);
  if (!isObject(state)) throw unusable(folder, `its ${STATE} has no state`);
  const named = FOLDER_NAME.exec(basename(folder));
  if (named && Number(named[1]) !== epoch) {
    throw unusable(folder, `the folder is named for epoch ${Number(named[1])}, but its ${STATE} is of epoch ${epoch}`);
  }
  const model = json.model ?? { weights: MODEL_NAME, files: [] };
  if (!isObject(model) || !isFileName(model.weights) || !Array.isArray(model.files) || !model.files.every(isFileName)) {
    throw unusable(folder, `its ${STATE} does not name the model's files`);
  }
  return { epoch, step, state, weights: model.weights, files: model.files };
}

async function loadTensors(folder: string, name: string, epoch: number, step: number): Promise<HostTensors> {
  const path = join(folder, name);
  try {
    await Deno.stat(path);
  } catch (error) {
    throw unreadable(folder, name, error);
  }
  try {
    const file = await readSafetensors(path);
    if (file.metadata.epoch !== String(epoch) || file.metadata.step !== String(step)) {
      const found = `epoch ${file.metadata.epoch ?? "unknown"}, step ${file.metadata.step ?? "unknown"}`;
      throw unusable(folder, `its ${STATE} is of epoch ${epoch}, step ${step}, but its ${name} of ${found}`);
    }
    return hostTensors(file, path);
  } catch (error) {
    if (error instanceof SafetensorsError) throw new CheckpointError(error.message, { cause: error });
    throw error;
  }
}

/** JSON would turn what is not finite into null, and drop what is undefined. */
function encodeJson(value: Json): string {
  const text = JSON.stringify(value, (key, part: unknown) => {
    if (typeof part === "number" && !Number.isFinite(part)) {
      throw new TypeError(`The state's "${key}" is ${part}, which JSON cannot hold. Leave it out or use null.`);
    }
    return part;
  }, 2);
  return text + "\n";
}

async function freeName(parent: string, epoch: number): Promise<string> {
  const taken = await namesIn(parent);
  const name = String(epoch).padStart(6, "0");
  if (!taken.includes(name)) return name;
  const again = taken.filter((other) => other.startsWith(name + "-")).map((other) => ageOf(other)[1]);
  return `${name}-${Math.max(0, ...again) + 1}`;
}

function byAge(a: string, b: string): number {
  const [epochA, againA] = ageOf(a);
  const [epochB, againB] = ageOf(b);
  return epochA - epochB || againA - againB;
}

/** The epoch in a checkpoint folder's name, and how often it was saved before. */
function ageOf(name: string): [number, number] {
  const [, epoch, again] = FOLDER_NAME.exec(name) ?? [];
  return [Number(epoch ?? -1), Number(again ?? 0)];
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return [];
    throw new StorageError(`Cannot read ${folder}: ${messageOf(error)}. Check its permissions.`, { cause: error });
  }
}

async function removeEntries(parent: string, unwanted: (name: string) => boolean): Promise<void> {
  // Oldest first, so that a kill half way through leaves newer ones.
  for (const name of (await namesIn(parent)).filter(unwanted).sort(byAge)) {
    const path = join(parent, name);
    try {
      await Deno.remove(path, { recursive: true });
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw storageError(path, error);
    }
  }
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function isObject(value: unknown): value is Record<string, Json> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function unusable(folder: string, what: string): CheckpointError {
  return new CheckpointError(`${folder} is not a usable checkpoint: ${what}. Use another one, or train afresh.`);
}

function unreadable(folder: string, name: string, error: unknown): CheckpointError {
  const what = error instanceof Deno.errors.NotFound
    ? `it has no ${name}`
    : `its ${name} cannot be read (${messageOf(error)})`;
  return unusable(folder, what);
}
