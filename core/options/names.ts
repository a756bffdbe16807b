/** The name on the command line of a key in camelCase: `--batch-size` for batchSize. */
export function optionName(key: string): string {
  return "--" + key.replaceAll(/[A-Z]/g, (letter) => "-" + letter.toLowerCase());
}
