/** The colours of the light theme by what they are for. Each is one hex code, so that the dark theme can find it. */
export const COLOURS = {
  paper: "#fffffe",
  ink: "#1c2230",
  muted: "#5b6475",
  grid: "#e8ebf0",
  line: "#c3cad5",
  denoiser: "#533dc4",
  gaussian: "#677284",
  train: "#118c8c",
  gap: "#7a66e0",
  excess: "#dc5426",
  point: "#10131c",
} as const;

/**
 * Fills of log p(x) from low to high. Lightness falls in equal steps of OKLCH from nearly the paper's, so the order
 * survives colour blindness and greyscale, and the last step still lets dark points be seen.
 */
export const BANDS = ["#e0f5f7", "#b3e2f5", "#8fc3f5", "#7e9cee", "#796ddd"] as const;

/** The lower edges of `BANDS`, log p(x) in nats. */
export const LEVELS = [-5, -4, -3, -2, -1] as const;

/** The dark theme's colour for each of the light theme's. */
export const DARK: Readonly<Record<string, string>> = {
  [COLOURS.paper]: "#0d1117",
  [COLOURS.ink]: "#e6e9ef",
  [COLOURS.muted]: "#9aa4b5",
  [COLOURS.grid]: "#20262f",
  [COLOURS.line]: "#3a4453",
  [COLOURS.denoiser]: "#a9a5fe",
  [COLOURS.gaussian]: "#8e99ab",
  [COLOURS.train]: "#45c4bd",
  [COLOURS.gap]: "#8f83f2",
  [COLOURS.excess]: "#f78955",
  [COLOURS.point]: "#f7fbff",
  [BANDS[0]]: "#24233e",
  [BANDS[1]]: "#313869",
  [BANDS[2]]: "#295494",
  [BANDS[3]]: "#017da9",
  [BANDS[4]]: "#0baaab",
};

/** Font families, without quotes so that they need no escape in an attribute. */
export const FONT = "system-ui, -apple-system, Segoe UI, Roboto, Helvetica Neue, Arial, sans-serif";

/** Font sizes in pixels. */
export const SIZE = { title: 17, heading: 13, label: 12, tick: 11 } as const;

/** The class of every figure's root element, to which the dark theme is bound. */
export const FIGURE_CLASS = "itd-figure";

/** The style sheet that turns a figure dark where the reader prefers so, and puts the halo of a text behind it. */
export function styleSheet(): string {
  const rules = Object.entries(DARK).flatMap(([light, dark]) =>
    ["fill", "stroke"].map((paint) => `.${FIGURE_CLASS} [${paint}="${light}"]{${paint}:${dark}}`)
  );
  const halo = `.${FIGURE_CLASS} text[stroke]{paint-order:stroke;stroke-linejoin:round}`;
  return `${halo}@media (prefers-color-scheme:dark){${rules.join("")}}`;
}
