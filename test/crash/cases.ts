import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Random } from "../../core/random/random.ts";

/** Runs that are trained before the trials, for the tasks that read one. */
export const INPUTS = ["points", "images", "table", "begun"] as const;

export type Input = typeof INPUTS[number];

/** A task as it is tried, in a folder of its own. */
export interface Case {
  readonly name: string;
  readonly task: string;
  readonly args: readonly string[];
  /** The run that lies in the folder before. */
  readonly input?: Input;
  /** The run that it trains, which goes on with --resume once it is one. */
  readonly trains?: string;
  /** The folder that the same command refuses once it is whole. */
  readonly makes?: string;
  /** Whether two are started at once, and whether both of them go on. */
  readonly pairs?: "one goes on" | "both go on";
}

const IMAGES = fileURLToPath(new URL("../reference/datasets/images.h5", import.meta.url));

const COMMON = ["--backend", "onnx-cpu", "--threads", "1"];
const SMALL = [...COMMON, "--width", "8", "--blocks", "1", "--batch-size", "50", "--reference", "mixture:2"];
const TINY = [...COMMON, "--from-scratch", "--channels", "8,8", "--batch-size", "15", "--micro-batch-size", "5"];
const FEW = ["--validation-samples", "4", "--samples", "2", "--sample-steps", "2"];

/** Trainings of the inputs, each to a folder of its name. */
export function trainings(data: string): Readonly<Record<Input, Pick<Case, "task" | "args">>> {
  const points = join(data, "points.csv");
  return {
    points: { task: "train:2d", args: [points, ...SMALL, "--epochs", "2"] },
    table: { task: "train:2d", args: [join(data, "table.csv"), ...SMALL, "--epochs", "2"] },
    images: { task: "train:cifar", args: [IMAGES, ...TINY, ...FEW, "--epochs", "1"] },
    begun: { task: "train:2d", args: [points, ...SMALL, "--epochs", "1"] },
  };
}

/** The tasks with small settings, so that each takes a second or two. */
export function casesOf(data: string): readonly Case[] {
  const points = join(data, "points.csv"), more = join(data, "more.csv");
  const holes = join(data, "holes.csv"), few = ["--count", "60", "--batch-size", "20", "--steps", "20"];
  const scores = (file: string) => ["points", ...COMMON, "--per-sample", file];
  return [
    {
      ...{ name: "train:2d", task: "train:2d", trains: "run", pairs: "one goes on" },
      args: [points, ...SMALL, "--epochs", "4", "--out", "run"],
    },
    {
      ...{ name: "train:2d resumed", task: "train:2d", input: "begun", pairs: "one goes on" },
      args: ["--resume", "begun", "--epochs", "4"],
    },
    {
      ...{ name: "train:cifar", task: "train:cifar", trains: "run" },
      args: [IMAGES, ...TINY, ...FEW, "--epochs", "3", "--out", "run"],
    },
    {
      ...{ name: "nll csv", task: "nll", input: "points", pairs: "one goes on" },
      args: [...scores("scores.csv"), "--clamp"],
    },
    {
      ...{ name: "nll h5", task: "nll", input: "points", pairs: "one goes on" },
      args: [...scores("scores.h5"), "--data", more],
    },
    {
      ...{ name: "sample points", task: "sample", input: "points", makes: "drawn", pairs: "one goes on" },
      args: ["points", ...COMMON, ...few, "--out", "drawn"],
    },
    {
      ...{ name: "sample table", task: "sample", input: "table", pairs: "one goes on" },
      args: ["table", ...COMMON, ...few, "--out", "rows.csv"],
    },
    {
      ...{ name: "sample images", task: "sample", input: "images", makes: "drawn" },
      args: ["images", ...COMMON, "--count", "6", "--batch-size", "2", "--steps", "10", "--out", "drawn"],
    },
    ...["csv", "h5"].map((ending): Case => ({
      ...{ name: `score ${ending}`, task: "score", input: "table", pairs: "one goes on" },
      args: ["table", holes, ...COMMON, "--by", "model", "--rounds", "4", "--out", `scores.${ending}`],
    })),
    {
      ...{ name: "score own", task: "score", input: "points" },
      args: ["points", ...COMMON, "--threshold", "0.1"],
    },
    {
      ...{ name: "impute folder", task: "impute", input: "table", makes: "filled", pairs: "one goes on" },
      args: ["table", holes, ...COMMON, "--draws", "2", "--out", "filled"],
    },
    {
      ...{ name: "impute csv", task: "impute", input: "table", pairs: "one goes on" },
      args: ["table", holes, ...COMMON, "--draws", "2", "--out", "filled.csv"],
    },
    ...(["points", "table"] as const).map((input): Case => ({
      ...{ name: `evaluate ${input}`, task: "evaluate", input, pairs: "one goes on" },
      args: [input, ...COMMON, "--count", "30", "--batch-size", "10", "--steps", "10"],
    })),
    ...[["tfjs", "points"], ["onnx", "points"], ["diffusers", "images"]].map(([format, input]): Case => ({
      ...{ name: `export ${format}`, task: "export", input: input as Input, makes: "exported", pairs: "one goes on" },
      args: [input, "--format", format, "--out", "exported"],
    })),
    {
      ...{ name: "sweep", task: "sweep", pairs: "both go on" },
      args: [["train:2d", points, ...SMALL, "--epochs", "2", "--seed", "{0,1}"].join(" "), "--out", "sweep"],
    },
  ];
}

/** Writes the data that the cases are of: points on a ring, and tables with unknown cells. */
export async function writeData(folder: string): Promise<void> {
  await Deno.mkdir(folder);
  const random = Random.fromSeed(0);
  for (const [name, count] of [["points", 300], ["more", 500]] as const) {
    const angles = random.split(name).normalTensor([count]).data, noise = random.split(`${name} noise`);
    const rows = Array.from(
      angles,
      (angle) => `${Math.cos(3 * angle)},${Math.sin(3 * angle) + 0.1 * noise.normal()}\n`,
    );
    await Deno.writeTextFile(join(folder, `${name}.csv`), `x,y\n${rows.join("")}`);
  }
  for (const [name, count] of [["table", 300], ["holes", 60]] as const) {
    const chance = random.split(name), isKnown = () => chance.uniform() > 0.1;
    const rows = Array.from({ length: count }, () => {
      const isLarge = chance.uniform() < 0.5, mass = (isLarge ? 50 : 40) + 3 * chance.normal();
      const cells = [mass.toFixed(1), (0.1 * mass + chance.normal()).toFixed(3), isLarge ? "large" : "small"];
      return `${cells.map((cell) => isKnown() ? cell : "").join()}\n`;
    });
    await Deno.writeTextFile(join(folder, `${name}.csv`), `mass,length,size\n${rows.join("")}`);
  }
}
