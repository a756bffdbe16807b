import type { OptionSpec, OptionValues } from "../options/spec.ts";
import type { ReadOptions } from "../io/formats.ts";
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
  return { range: text("range"), layout: text("layout"), header: choice("header"), transpose: choice("transpose") };
}
