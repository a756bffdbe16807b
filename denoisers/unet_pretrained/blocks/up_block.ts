import { plainUp } from "./up.ts";

/** Residual blocks, and a convolution of the image in twice its size. */
export const UpBlock2D = plainUp(() => [], () => "conv");
