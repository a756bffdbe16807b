import { UsageError } from "../errors/usage_error.ts";
import type { PictureSize } from "../io/fit_picture.ts";
import type { OptionSpec, OptionValues } from "../options/spec.ts";
import type { ReadOptions } from "../io/formats.ts";
import type { Colour } from "../io/picture.ts";
import { LAYOUTS } from "./layout.ts";

/** What can be said of a file that can be read in two ways. */
export const READ_OPTIONS = {
  range: {
    default: "auto",
    help:
      "the values that become -1 and 1, as 0,1, or none; auto: for bytes 0,255, for other pictures what they are in",
  },
  layout: { default: "auto", choices: LAYOUTS, help: "the order of the axes of images" },
  header: { default: "auto", choices: ["auto", "on", "off"], help: "whether a table's first line has names" },
  transpose: {
    default: "auto",
    choices: ["auto", "on", "off"],
    help: "whether the axes of HDF5 are reversed; auto: where MATLAB wrote it",
  },
  size: {
    default: "",
    help:
      "of pictures: what each is brought to, its middle resized and the rest cut off, as 32 or 48x32 (width x height)",
  },
  background: {
    default: "",
    help: "of pictures: what transparent ones are laid over, as white, black, 128 or #ff8800; they are refused without",
  },
} as const satisfies Readonly<Record<string, OptionSpec>>;

/** How a file is read, with what was left open. */
export interface FileOptions extends ReadOptions {
  readonly range: string;
  readonly layout: string;
}

/** The options among values of a data set; the defaults for what is left out. */
export function optionsOf(values: OptionValues): FileOptions {
  const text = (name: keyof typeof READ_OPTIONS) => String(values[name] ?? READ_OPTIONS[name].default);
  const choice = (name: "header" | "transpose") => {
    const value = text(name);
    return value === "on" || value === "off" ? value : "auto";
  };
  return {
    ...{ range: text("range"), layout: text("layout"), header: choice("header"), transpose: choice("transpose") },
    ...(text("size") === "" ? {} : { size: parseSize(text("size")) }),
    ...(text("background") === "" ? {} : { background: parseColour(text("background")) }),
  };
}

/** The longest side of pictures that are resized. */
const MAX_SIDE = 16_384;

/** @throws {UsageError} For what is no size. */
function parseSize(text: string): PictureSize {
  const [, width, height = width] = /^(\d{1,5})(?:x(\d{1,5}))?$/.exec(text.trim()) ?? [];
  const size = { width: Number(width), height: Number(height) };
  if ([size.width, size.height].every((side) => side >= 1 && side <= MAX_SIDE)) return size;
  throw new UsageError(`--size is ${JSON.stringify(text)}, expected pixels up to ${MAX_SIDE}, as 32 or 48x32.`);
}

/** @throws {UsageError} For what is no colour. */
function parseColour(text: string): Colour {
  const grey = ({ black: 0, white: 255 } as Readonly<Record<string, number>>)[text] ??
    (/^\d{1,3}$/.test(text) ? Number(text) : NaN);
  if (grey <= 255) return [grey, grey, grey];
  const [, ...parts] = /^#([\da-f]{2})([\da-f]{2})([\da-f]{2})$/i.exec(text) ?? [];
  const [red, green, blue] = parts.map((part) => parseInt(part, 16));
  if (parts.length === 3) return [red, green, blue];
  throw new UsageError(
    `--background is ${JSON.stringify(text)}, expected white, black, a grey from 0 to 255, or a colour as #ff8800.`,
  );
}
