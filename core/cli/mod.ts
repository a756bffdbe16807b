export { HelpRequest } from "./errors.ts";
export { UsageError } from "../errors/usage_error.ts";
export { main, mainOfMany, mainOnRanks, mpiOption, type ProcessEnds, type Task } from "./main.ts";
export {
  type CommandLine,
  type CommandSpec,
  type GroupValues,
  type OptionGroup,
  parseCommandLine,
  type Positional,
  type TaskOption,
  type TaskValues,
  type ValueOf,
  type ValuesOf,
} from "./options.ts";
export { type Notes, takeNotes } from "./notes.ts";
export { printText } from "./terminal.ts";
export {
  formatDuration,
  Progress,
  type ProgressOptions,
  type ProgressRecord,
  type ProgressStream,
} from "./progress.ts";
