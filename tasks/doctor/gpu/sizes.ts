import type { Size } from "./record.ts";

/** A case that is timed, and what it is called where people read. */
export interface TimedCase {
  readonly name: string;
  readonly title: string;
  readonly steps: number;
  /** Whether it has a gradient, whose products float16 is for. */
  readonly trains: boolean;
  /** Bytes of a GPU's memory without which it is not tried. */
  readonly bytes: number;
}

/** What google/ddpm-cifar10-32's U-Net takes: parameters and moments 0.6 GB, and what a step on 16 images holds at once. */
const UNET_BYTES = 5e9;

const POINTS: TimedCase = { name: "train-2d", title: "MLP, 128 points", steps: 100, trains: true, bytes: 0 };

/** What is timed at each size. */
export const TIMED_CASES: Readonly<Record<Size, readonly TimedCase[]>> = {
  small: [
    { ...POINTS, steps: 20 },
    { name: "unet-tiny", title: "tiny U-Net, 4 images", steps: 3, trains: true, bytes: 0 },
  ],
  full: [
    POINTS,
    { name: "unet-small", title: "small U-Net, 16 images", steps: 5, trains: true, bytes: 1e9 },
    { name: "unet-train", title: "36 M U-Net, 16 images", steps: 5, trains: true, bytes: UNET_BYTES },
    { name: "unet-eval", title: "its evaluation", steps: 5, trains: false, bytes: UNET_BYTES / 2 },
  ],
};

/** A training by a task's own command line. */
export interface TrainedTask {
  readonly task: "train:2d" | "train:cifar";
  /** The number of values in a sample. */
  readonly dimension: number;
  /** Whether it is trained in float16 too. */
  readonly half: boolean;
  /** The task's arguments. @param folder Has the data that was made for it. */
  arguments(folder: string): readonly string[];
}

/** The epochs of a run, and those when it has gone on. */
export const EPOCHS = 2;
export const RESUMED_EPOCHS = 3;

/** Pictures that are made for a training, and their shape: channels last, as in files. */
export const PICTURES: Readonly<Record<Size, readonly [number, number, number, number]>> = {
  small: [64, 8, 8, 1],
  full: [128, 32, 32, 3],
};

/** The files that are made for the trainings. */
export const PICTURES_FILE = "pictures.npy";
export const POINTS_FILE = "moons.csv";

const UNET = ["--from-scratch", "--samples", "0", "--validation-samples", "32"] as const;

/** What is trained at each size. */
export const TRAINED_TASKS: Readonly<Record<Size, readonly TrainedTask[]>> = {
  small: [
    {
      task: "train:2d",
      dimension: 2,
      half: false,
      // Of the data set by its name a run measures 100,000 fresh points, with which software is busy for a minute.
      arguments: (folder) => [
        ...[`${folder}/${POINTS_FILE}`, "--batch-size", "64", "--width", "32", "--reference", "none"],
        ...["--validation-levels", "1", "--eval-batch-size", "256"],
      ],
    },
    {
      task: "train:cifar",
      dimension: 64,
      half: true,
      arguments: (folder) => [`${folder}/${PICTURES_FILE}`, ...UNET, "--channels", "8", "--batch-size", "16"],
    },
  ],
  full: [
    { task: "train:2d", dimension: 2, half: true, arguments: () => ["moons"] },
    {
      task: "train:cifar",
      dimension: 3072,
      half: true,
      arguments: (folder) => [`${folder}/${PICTURES_FILE}`, ...UNET, "--channels", "16,32", "--batch-size", "16"],
    },
  ],
};

/** How far a likelihood may be from onnx-cpu's, in nats a dimension. */
export const NLL_TOLERANCE = { f32: 1e-4, f16: 2.5e-3 } as const;
