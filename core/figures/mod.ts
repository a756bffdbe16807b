export { contourFigure } from "./contours.ts";
export { lossFigure } from "./loss.ts";
export { mseFigure } from "./mse.ts";
export { overviewFigure } from "./overview.ts";
export type * from "./records.ts";
export { renderSvg } from "./render.ts";
