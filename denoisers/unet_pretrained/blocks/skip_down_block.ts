import { skipDown } from "./skip_down.ts";

/** Residual blocks beside the image. */
export const SkipDownBlock2D = skipDown(() => []);
