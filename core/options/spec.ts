/**
 * One option of a plugin. The command line offers it as `--name-in-kebab-case`; its type is that of its default:
 * a number, a string, or a boolean given as `on` or `off`.
 */
export interface OptionSpec {
  /** Its value where none is given. */
  readonly default: number | string | boolean;
  /** One line for `--help`. */
  readonly help: string;
  /** Smallest number allowed. */
  readonly min?: number;
  /** A bound that a number must lie above, as 0 for a learning rate. */
  readonly above?: number;
  /** Largest number allowed. */
  readonly max?: number;
  /** Whether a number must be whole. */
  readonly integer?: boolean;
  /** The strings allowed. */
  readonly choices?: readonly string[];
  /** Whether a string may be a path; one that is there is kept as it holds from any working folder. */
  readonly path?: boolean;
}

/** Values of a plugin's options, keyed as the plugin declares them. */
export type OptionValues = Readonly<Record<string, number | string | boolean>>;
