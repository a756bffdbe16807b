export { HelpRequest, main, mainOfMany, type ProcessEnds, UsageError } from "./errors.ts";
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
export {
  formatDuration,
  Progress,
  type ProgressOptions,
  type ProgressRecord,
  type ProgressStream,
} from "./progress.ts";
