import { existsSync, statSync } from "node:fs";
import { dirname, relative, resolve, sep } from "node:path";
import type { HostTensors } from "../../core/data/tensors.ts";
import { UserError } from "../../core/errors/user_error.ts";
import { parseBoundedJson, PYTHON_BOUNDS, readBoundedJson } from "../../core/io/bounded_json.ts";
import { MAX_PARAMETERS } from "../../core/layers/parameter_limit.ts";
import type { CreateContext, LoadContext, OptionValues } from "../../core/plugins/contracts.ts";
import { DDPM_CIFAR10 } from "./ddpm_cifar10.ts";
import { DDPM_SCHEDULE } from "./schedule.ts";

/** A model's files under the names that diffusers gives them. */
export const CONFIG = "config.json";
export const SCHEDULER = "scheduler_config.json";

/** The most parameters of a checkpoint, which a fine-tuned model may have more of. */
const MAX_SAVED = 2 ** 30;

/** A model's parts, and what they are called in messages. */
export interface Source {
  readonly name: string;
  readonly config: unknown;
  readonly schedulerName: string;
  readonly scheduler: unknown;
  /** What the scheduler's file is of, for the user; none where there is no file. */
  readonly scheduledBy?: string;
  readonly notes: readonly string[];
  /** The values that became -1 and 1 in the data that it was trained on, where its export says them. */
  readonly range?: readonly [number, number];
  /** The most parameters that it may have, and what to do where it has more; what has weights is held to these. */
  readonly limit?: { readonly parameters: number; readonly advice: string };
  /** Of a pretrained model. */
  readonly readWeights?: () => Promise<HostTensors>;
}

/** A pretrained model, of a folder or the hub. */
export async function pretrainedModel(name: string, context: LoadContext): Promise<Source> {
  const [{ hubOptionsOf, locateModel }, { readWeightFiles }, { readFacts }] = await Promise.all([
    import("../../core/hub/mod.ts"),
    import("../../core/io/weights.ts"),
    import("../../core/export/facts.ts"),
  ]);
  const files = await locateModel(name, hubOptionsOf(context));
  const { range } = files.facts === undefined ? {} : await readFacts(files.facts);
  return {
    name: files.config,
    config: await readBoundedJson(files.config, PYTHON_BOUNDS),
    schedulerName: files.scheduler ?? "the default schedule",
    scheduler: files.scheduler === undefined ? DDPM_SCHEDULER : await readBoundedJson(files.scheduler, PYTHON_BOUNDS),
    ...(files.scheduler === undefined ? {} : { scheduledBy: schedulerOwner(name, files.scheduler) }),
    notes: files.notes,
    ...(range ? { range } : {}),
    readWeights: () => readWeightFiles(files.shards),
  };
}

/** What a scheduler is called: by the user's name of the model, or of the pipeline that it is the network of. */
function schedulerOwner(name: string, scheduler: string): string {
  if (!existsSync(name)) return name;
  // A file of weights is named for the folder that it is in.
  const own = resolve(statSync(name).isFile() ? dirname(name) : name);
  const isBeside = !resolve(scheduler).startsWith(own + sep);
  const path = resolve(isBeside ? dirname(dirname(scheduler)) : own), short = relative(Deno.cwd(), path);
  return short && !short.startsWith("..") ? short : path;
}

/** A checkpoint's. */
export function savedModel(saved: NonNullable<CreateContext["saved"]>): Source {
  const parse = (name: string) => {
    try {
      return parseBoundedJson(new TextEncoder().encode(saved[name] ?? ""), PYTHON_BOUNDS, name);
    } catch (error) {
      throw new UserError(`The checkpoint's ${name} is missing or not valid JSON. Use another checkpoint.`, {
        cause: error,
      });
    }
  };
  return {
    name: `the checkpoint's ${CONFIG}`,
    config: parse(CONFIG),
    schedulerName: `the checkpoint's ${SCHEDULER}`,
    scheduler: parse(SCHEDULER),
    scheduledBy: "the checkpoint",
    notes: [],
    limit: { parameters: MAX_SAVED, advice: "Use another checkpoint." },
  };
}

/** One that is to be trained from scratch, of a file or by its channels. */
export async function newModel({ config, channels }: OptionValues, shape: readonly number[]): Promise<Source> {
  const path = String(config ?? "");
  if (path !== "" && channels) {
    throw new UserError("--config and --channels both describe the U-Net. Give one of them.");
  }
  const [channelsOfData, height, width] = shape;
  const images = {
    in_channels: channelsOfData,
    out_channels: channelsOfData,
    sample_size: height === width ? height : [height, width],
  };
  const given = path === ""
    ? { ...DDPM_CIFAR10, ...images, ...levels(String(channels ?? "")) }
    : await readBoundedJson(path, PYTHON_BOUNDS);
  return {
    name: path || "the U-Net from scratch",
    config: given,
    schedulerName: "the default schedule",
    scheduler: DDPM_SCHEDULER,
    notes: [],
    limit: { parameters: MAX_PARAMETERS, advice: "Give it fewer channels or layers." },
  };
}

const DDPM_SCHEDULER = { _class_name: "DDPMScheduler", ...DDPM_SCHEDULE };

/** The parts of a configuration that follow from the channels of its levels, as `64,128`. */
function levels(text: string): Record<string, unknown> {
  if (text === "") return {};
  const channels = text.split(",").map(Number);
  if (channels.length > 16 || !channels.every((c) => Number.isInteger(c) && c >= 4 && c <= 4096)) {
    throw new UserError(`--channels is ${text}; it must be whole numbers from 4 to 4096 with commas, as 64,128.`);
  }
  const attends = channels.map((_, i) => i === Math.min(1, channels.length - 1));
  const divisors = [32, 16, 8, 4, 2, 1];
  return {
    block_out_channels: channels,
    down_block_types: attends.map((a) => a ? "AttnDownBlock2D" : "DownBlock2D"),
    up_block_types: attends.toReversed().map((a) => a ? "AttnUpBlock2D" : "UpBlock2D"),
    norm_num_groups: divisors.find((n) => channels.every((c) => c % n === 0 && c / n >= 2)) ?? 1,
  };
}
