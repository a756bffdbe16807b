export { contourFigure } from "./contours.ts";
export { lossFigure } from "./loss.ts";
export { mseFigure } from "./mse.ts";
export { headline, overviewFigure } from "./overview.ts";
export { renderPng } from "./png.ts";
export type * from "./records.ts";
export { renderSvg } from "./render.ts";
