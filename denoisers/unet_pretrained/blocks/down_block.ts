import { plainDown } from "./down.ts";

/** Residual blocks and a convolution of stride 2. */
export const DownBlock2D = plainDown(() => [], () => "conv");
