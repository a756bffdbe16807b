/** Numbers as the page shows them: with a minus sign that is as wide as a plus, and grouped thousands. */

/** A number with so many digits after the point. */
export function decimals(value: number, digits = 3): string {
  return value.toFixed(digits).replace("-", "−");
}

/** A value with its standard error where it is known, as in `1.914 ± 0.005`. */
export function estimate(value: number, stderr?: number): string {
  return decimals(value) + (stderr === undefined ? "" : ` ± ${decimals(stderr)}`);
}

/** A whole number with its thousands grouped. */
export function whole(value: number): string {
  return value.toLocaleString("en-GB");
}

/** A duration in the unit that suits it. */
export function duration(seconds: number): string {
  if (seconds < 120) return `${seconds.toFixed(1)} s`;
  if (seconds < 7200) return `${(seconds / 60).toFixed(1)} minutes`;
  return `${(seconds / 3600).toFixed(1)} hours`;
}

/** The size of a file. */
export function fileSize(bytes: number): string {
  return bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
